//! One server per data directory: two would each remember the uses of tokens for themselves, and drive two clocks.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::store::make_private;

const FILE: &str = "lock";

/// The data directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another server runs on it.
    #[error("another server runs on the data directory {}: stop it, or give this one another --data", dir.display())]
    Taken {
        /// The directory.
        dir: PathBuf,
    },
    /// It cannot be made, or not be locked.
    #[error("cannot make the data directory {} this server's own: {source}", dir.display())]
    Failed {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Makes the directory this process' own, for as long as the file lives. The system lets go of it when the process ends,
/// however it ends.
pub(crate) fn lock(dir: &Path) -> Result<File, LockError> {
    let failed = |source| LockError::Failed {
        dir: dir.to_owned(),
        source,
    };
    make_private(dir).map_err(failed)?;
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false);
    let file = options.open(dir.join(FILE)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LockError::Taken {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
