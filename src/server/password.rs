//! Passwords as argon2id hashes.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::iam::model::TokenValue;

use super::error::Error;

/// Each hash takes 19 MiB and some tens of milliseconds on purpose: no more than this many at once, so that guessing
/// costs the guesser time and not the server its memory.
const AT_ONCE: usize = 2;

/// Hashes and verifies passwords away from the threads that answer requests.
#[derive(Debug)]
pub(crate) struct Hasher(Semaphore);

impl Default for Hasher {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Hasher {
    /// The hash of a new password, salted, in PHC form.
    pub(crate) async fn hash(&self, password: TokenValue) -> Result<String, Error> {
        self.off_thread(move || {
            let hash = Argon2::default().hash_password(password.expose().as_bytes());
            hash.map(|hash| hash.to_string())
                .map_err(|_| Error::Hashing)
        })
        .await?
    }

    /// Whether the password is the one that was hashed. Without a hash it takes as long and says no, so that nobody
    /// learns from the time which names exist.
    pub(crate) async fn verify(
        &self,
        password: TokenValue,
        hash: Option<String>,
    ) -> Result<bool, Error> {
        let Some(hash) = hash else {
            self.hash(password).await?;
            return Ok(false);
        };
        self.off_thread(move || {
            let verdict = Argon2::default().verify_password(password.expose().as_bytes(), &*hash);
            verdict.is_ok()
        })
        .await
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let _permit = self.0.acquire().await.map_err(|_| Error::Hashing)?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Error::Hashing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> TokenValue {
        TokenValue::new(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_same_password_fits() {
        let hasher = Hasher::default();
        let hash = hasher.hash(secret("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(
            hasher
                .verify(secret("correct horse"), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(
            !hasher
                .verify(secret("battery staple"), Some(hash))
                .await
                .unwrap()
        );
        assert!(!hasher.verify(secret("correct horse"), None).await.unwrap());
    }
}
