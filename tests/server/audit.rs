//! The audit log: who, what, on whom, when, from where, and how it ended; never a value.

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use super::server::Server;

/// The database beside the server.
pub(crate) async fn open(server: &Server) -> SqliteConnection {
    let file = server.folder.join("iam.db");
    SqliteConnection::connect(&format!("sqlite://{}", file.display()))
        .await
        .unwrap()
}

async fn newest(server: &Server) -> Value {
    let log = server.admin().get("/auditlogs/search?size=1").await.is(200);
    log.results().remove(0)
}

#[tokio::test]
async fn a_change_is_recorded_with_who_what_and_on_whom() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let entry = newest(&server).await;
    assert_eq!(entry["username"], "superadmin");
    assert_eq!(entry["action"], "POST /api/v1/{tenant}/service-accounts");
    assert_eq!(entry["tenant"], "main");
    assert_eq!(entry["details"], account);
    assert_eq!(entry["date"], super::server::START);
    assert_eq!(entry["status"], "SUCCESS");
}

#[tokio::test]
async fn a_new_token_is_recorded_without_its_value() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (id, value) = server.token(&account).await;
    let entry = newest(&server).await;
    assert!(entry["details"].as_str().unwrap().contains(&id));
    let log = server.admin().get("/auditlogs/search?size=100").await;
    assert!(!String::from_utf8_lossy(&log.body).contains(&value[..12]));
}

#[tokio::test]
async fn a_refusal_is_recorded_with_the_status() {
    let server = Server::start().await;
    let (id, caller) = server.somebody_who(json!({})).await;
    caller
        .post("/main/groups", json!({"name": "g"}))
        .await
        .is(403);
    let entry = newest(&server).await;
    assert_eq!(entry["userId"], id);
    assert_eq!(entry["action"], "POST /api/v1/{tenant}/groups");
    assert_eq!(entry["status"], "403");
}

#[tokio::test]
async fn what_failed_is_not_recorded_as_done() {
    let server = Server::start().await;
    server.group("bots").await;
    server
        .admin()
        .post("/main/groups", json!({"name": "bots"}))
        .await
        .is(409);
    assert_eq!(newest(&server).await["status"], "409");
    let done = "/auditlogs/search?filters[action][EQUALS]=POST%20/api/v1/%7Btenant%7D/groups\
                &filters[status][EQUALS]=SUCCESS";
    assert_eq!(server.admin().get(done).await.is(200).json()["total"], 1);
}

#[tokio::test]
async fn a_secret_in_a_path_is_not_recorded() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (_, value) = server.token(&account).await;
    server
        .admin()
        .delete(&format!("/main/groups/{value}"))
        .await
        .is(404);
    let log = server.admin().get("/auditlogs/search?size=100").await;
    assert!(!String::from_utf8_lossy(&log.body).contains(&value[..12]));
}

#[tokio::test]
async fn reading_and_strangers_leave_no_entry() {
    let server = Server::start().await;
    let before = server.admin().get("/auditlogs/search").await.json()["total"].clone();
    server.admin().get("/main/groups/search").await.is(200);
    server
        .nobody()
        .post("/main/groups", json!({"name": "g"}))
        .await
        .is(401);
    assert_eq!(
        server.admin().get("/auditlogs/search").await.json()["total"],
        before
    );
}

#[tokio::test]
async fn it_is_read_by_superadmins_alone() {
    let server = Server::start().await;
    server
        .somebody()
        .await
        .get("/auditlogs/search")
        .await
        .is(403);
}

#[tokio::test]
async fn nothing_in_it_can_be_changed_or_removed() {
    let server = Server::start().await;
    let mut db = open(&server).await;
    for sql in ["UPDATE audit_log SET result = 'x'", "DELETE FROM audit_log"] {
        let error = sqlx::query(sql).execute(&mut db).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[tokio::test]
async fn of_two_changes_the_newer_comes_first_and_pages_do_not_overlap() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.group(name).await;
    }
    let first = server
        .admin()
        .get("/auditlogs/search?size=2")
        .await
        .each("id");
    let second = server
        .admin()
        .get("/auditlogs/search?size=2&page=2")
        .await
        .each("id");
    let ids: Vec<i64> = [first, second]
        .concat()
        .iter()
        .map(|id| id.parse().unwrap())
        .collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
}
