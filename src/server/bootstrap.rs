//! The first superadmin: an account whose token is what a file or the environment holds.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rand::rngs::SysRng;

use crate::iam::model::TokenValue;

use super::app::App;
use super::error::Error;
use super::rules::names;
use super::rules::token::{Lifetime, fresh_value, hash, prefix};
use super::store::audit::{self, Entry};
use super::store::principals::{self, NewPrincipal, Principal};
use super::store::tokens::{self, NewToken};
use super::store::{Db, instance, tenants};

/// The name of the account, and that of its token.
const ADMIN: &str = "superadmin";
const ADMIN_TOKEN: &str = "admin-token-file";
/// 160 bits in base64: whoever chooses a token must not choose a password.
const SHORTEST: usize = 27;

/// The superadmin's token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The file cannot be read or written.
    #[error("cannot use the admin token file {file}: {source}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The token is too short, or cannot stand in a header.
    #[error(
        "the admin token must be {SHORTEST} visible ASCII characters or more; delete the file to get a new one"
    )]
    Unfit,
    /// The token is one of another account.
    #[error("the admin token belongs to '{0}': give the superadmin one of its own")]
    Foreign(String),
    /// No random token could be made.
    #[error("the system's random generator failed")]
    Random(#[from] rand::rngs::SysError),
    /// The database failed, or a tenant's name is not valid.
    #[error(transparent)]
    Server(#[from] Error),
}

/// The token that `file` holds; a new one is written there (mode 0600) if it is missing.
pub(crate) fn token_in(file: &Path) -> Result<TokenValue, AdminError> {
    let failed = |source| AdminError::File {
        file: file.display().to_string(),
        source,
    };
    match std::fs::read_to_string(file) {
        Ok(text) => checked(text.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let value = fresh_value(&mut SysRng)?;
            write_private(file, &value).map_err(failed)?;
            Ok(value)
        }
        Err(error) => Err(failed(error)),
    }
}

/// A token that somebody chose.
pub(crate) fn checked(text: String) -> Result<TokenValue, AdminError> {
    let value = TokenValue::new(text);
    if value.is_well_formed() && value.expose().len() >= SHORTEST {
        Ok(value)
    } else {
        Err(AdminError::Unfit)
    }
}

/// Complete or not at all: a crash must not leave an empty file behind, which would be taken for a token.
fn write_private(file: &Path, value: &TokenValue) -> std::io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let mut written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    writeln!(written, "{}", value.expose())?;
    written.sync_all()?;
    std::fs::rename(&beside, file)
}

impl App {
    /// Makes sure that there is a superadmin with this token, who has the role Admin in these tenants. The tenants are
    /// made if they are missing; a token that was given here before stops working.
    pub async fn ensure_admin(
        &self,
        token: &TokenValue,
        tenants: &[String],
    ) -> Result<(), AdminError> {
        let token = checked(token.expose().to_owned())?;
        let mut tx = self.store().write().await?;
        let admin = self.ensure_account(&mut tx).await?;
        self.ensure_token(&mut tx, &admin, &token).await?;
        for tenant in tenants {
            let tenant = names::tenant("tenant-admin-access", Some(tenant.clone()))?;
            tenants::ensure(&mut tx, self.compat(), &tenant, None).await?;
            tenants::make_admin(&mut tx, &tenant, &admin.id).await?;
        }
        Ok(tx.commit().await.map_err(Error::from)?)
    }

    async fn ensure_account(&self, db: &mut Db) -> Result<Principal, Error> {
        let known = match instance::admin(db).await? {
            Some(id) => principals::find(db, &id).await?,
            None => None,
        };
        if let Some(mut admin) = known {
            admin.super_admin = true;
            principals::update(db, &admin).await?;
            return Ok(admin);
        }
        let description = Some("Made by the server's own configuration".to_owned());
        let new = NewPrincipal {
            super_admin: true,
            ..NewPrincipal::account(ADMIN.to_owned(), description)
        };
        let admin = principals::insert(db, new).await?;
        instance::set_admin(db, &admin.id).await?;
        Ok(admin)
    }

    async fn ensure_token(
        &self,
        db: &mut Db,
        admin: &Principal,
        value: &TokenValue,
    ) -> Result<(), AdminError> {
        let hash = hash(value.expose());
        if let Some(known) = tokens::by_hash(db, &hash).await? {
            return if known.owner.id == admin.id {
                Ok(())
            } else {
                Err(AdminError::Foreign(known.owner.username))
            };
        }
        tokens::delete_named(db, &admin.id, ADMIN_TOKEN).await?;
        let new = NewToken {
            owner: &admin.id,
            name: ADMIN_TOKEN,
            description: "The token that the server was started with",
            prefix: &prefix(value),
            hash: &hash,
            lifetime: Lifetime {
                exp: None,
                max_age: None,
                extended: false,
            },
        };
        let id = tokens::insert(db, &new, self.now()).await?;
        Ok(self.record_start(db, admin, &id).await?)
    }

    async fn record_start(&self, db: &mut Db, admin: &Principal, token: &str) -> Result<(), Error> {
        let entry = Entry {
            actor_id: &admin.id,
            actor_name: &admin.username,
            operation: "START with a new admin token",
            tenant: None,
            target: token,
            source: "configuration",
            result: "SUCCESS",
        };
        audit::append(db, &entry, self.now()).await
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("admin-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }

        fn file(&self) -> PathBuf {
            self.0.join("token")
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_missing_file_is_written_for_its_owner_alone() {
        let dir = Dir::new("missing");
        let first = token_in(&dir.file()).unwrap();
        let mode = std::fs::metadata(dir.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = token_in(&dir.file()).unwrap();
        assert_eq!(first.expose(), second.expose());
        assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 1);
    }

    #[test]
    fn a_token_that_could_be_guessed_is_refused() {
        let dir = Dir::new("weak");
        for bad in ["", "admin", "two words that are long enough for it"] {
            std::fs::write(dir.file(), bad).unwrap();
            assert!(
                matches!(token_in(&dir.file()), Err(AdminError::Unfit)),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_line_break_at_the_end_is_no_part_of_the_token() {
        let dir = Dir::new("break");
        let value = "0123456789abcdefghijklmnopqrstuvwxyz";
        std::fs::write(dir.file(), format!("{value}\n")).unwrap();
        assert_eq!(token_in(&dir.file()).unwrap().expose(), value);
    }
}
