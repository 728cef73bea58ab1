//! What the instance knows of itself.

use crate::server::error::Error;

use super::Db;

/// Gives the instance its uuid unless it has one.
pub(crate) async fn ensure(db: &mut Db) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO instance (singleton, uuid) VALUES (1, $1) ON CONFLICT (singleton) DO NOTHING",
    )
    .bind(uuid::Uuid::new_v4().to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// What tells this instance from others.
pub(crate) async fn uuid(db: &mut Db) -> Result<String, Error> {
    let uuid = sqlx::query_scalar("SELECT uuid FROM instance WHERE singleton = 1");
    Ok(uuid.fetch_one(db).await?)
}

/// The account that the server's configuration made.
pub(crate) async fn admin(db: &mut Db) -> Result<Option<String>, Error> {
    let admin = sqlx::query_scalar("SELECT admin_id FROM instance WHERE singleton = 1");
    Ok(admin.fetch_one(db).await?)
}

pub(crate) async fn set_admin(db: &mut Db, id: &str) -> Result<(), Error> {
    sqlx::query("UPDATE instance SET admin_id = $1 WHERE singleton = 1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}
