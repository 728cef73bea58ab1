//! The life of a token: issued, shown once, used, expired, revoked.

use serde_json::{Value, json};

use super::server::{Server, hours, seconds};

const TOKENS: &str = "/main/service-accounts";

#[tokio::test]
async fn the_value_is_shown_once_and_works() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (id, value) = server.token(&account).await;
    assert_eq!(server.bearer(&value).get("/me").await.is(200).id(), account);
    let shown = server.shown_token(&account, &id).await;
    assert_eq!(shown["prefix"], value[..6]);
    let list = server
        .admin()
        .get(&format!("{TOKENS}/{account}/api-tokens"))
        .await;
    assert!(!String::from_utf8_lossy(&list.body).contains(&value));
}

#[tokio::test]
async fn the_database_holds_no_value() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (_, value) = server.token(&account).await;
    server.bearer(&value).get("/me").await.is(200);
    server.app.flush_usage().await.unwrap();
    for file in std::fs::read_dir(&server.folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        // More than the prefix that lists show anyway.
        let found = bytes
            .windows(12)
            .any(|window| window == &value.as_bytes()[..12]);
        assert!(!found);
    }
}

#[tokio::test]
async fn values_have_160_bits_or_more() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (_, value) = server.token(&account).await;
    let alphanumeric = value.bytes().all(|b| b.is_ascii_alphanumeric());
    let secret_characters = value.len() - 6;
    // 62 characters are 5.95 bits.
    assert!(
        alphanumeric && secret_characters * 595 / 100 >= 160,
        "{}",
        value.len()
    );
}

#[tokio::test]
async fn it_dies_at_the_very_instant_of_its_expiry() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (id, value) = server
        .token_with(&account, json!({"name": "short", "maxAge": "PT1H"}))
        .await;
    assert_eq!(
        server.shown_token(&account, &id).await["exp"],
        "2026-01-01T01:00:00Z"
    );
    server.advance(hours(1) - seconds(1));
    server.bearer(&value).get("/me").await.is(200);
    assert_eq!(server.shown_token(&account, &id).await["expired"], false);
    server.advance(seconds(1));
    server.bearer(&value).get("/me").await.is(401);
    assert_eq!(server.shown_token(&account, &id).await["expired"], true);
}

#[tokio::test]
async fn without_max_age_it_never_expires() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (id, value) = server.token(&account).await;
    server.advance(hours(24 * 365 * 50));
    server.bearer(&value).get("/me").await.is(200);
    let shown = server.shown_token(&account, &id).await;
    assert_eq!(shown.get("exp"), None);
    assert_eq!(shown["expired"], false);
}

#[tokio::test]
async fn a_revoked_one_is_refused_by_the_next_request() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (id, value) = server.token(&account).await;
    let (_, other) = server.token(&account).await;
    let path = format!("{TOKENS}/{account}/api-tokens/{id}");
    server.admin().delete(&path).await.is(200);
    server.bearer(&value).get("/me").await.is(401);
    server.bearer(&other).get("/me").await.is(200);
    server.admin().delete(&path).await.is(404);
}

#[tokio::test]
async fn it_dies_with_its_owner() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (_, value) = server.token(&account).await;
    server
        .admin()
        .delete(&format!("{TOKENS}/{account}"))
        .await
        .is(200);
    server.bearer(&value).get("/me").await.is(401);
}

#[tokio::test]
async fn nothing_of_a_deleted_owner_is_left() {
    let server = Server::start().await;
    let (account, group) = (server.account("ci").await, server.group("g").await);
    server.token(&account).await;
    server.bind(&account, "viewer_main").await;
    let member = format!("/main/groups/{group}/members/{account}");
    server.admin().put_nothing(&member).await.is(200);
    server
        .admin()
        .delete(&format!("/service-accounts/{account}"))
        .await
        .is(204);
    let left = "SELECT (SELECT COUNT(*) FROM tokens WHERE principal_id = $1)
                     + (SELECT COUNT(*) FROM bindings WHERE principal_id = $1)
                     + (SELECT COUNT(*) FROM memberships WHERE principal_id = $1)
                     + (SELECT COUNT(*) FROM tenant_access WHERE principal_id = $1)";
    assert_eq!(stored(&server, left, &account).await, Some(0));
}

#[tokio::test]
async fn a_use_shows_in_lists_at_once_and_in_the_database_after_the_flush() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (id, value) = server.token(&account).await;
    assert_eq!(
        server.shown_token(&account, &id).await.get("lastUsed"),
        None
    );
    server.advance(seconds(90));
    server.bearer(&value).get("/me").await.is(200);
    let at_once = server.shown_token(&account, &id).await;
    assert_eq!(at_once["lastUsed"], "2026-01-01T00:01:30Z");
    assert_eq!(stored_use(&server, &id).await, None);
    server.app.flush_usage().await.unwrap();
    assert_eq!(
        stored_use(&server, &id).await,
        Some(server.now().as_millisecond())
    );
    let flushed = server.shown_token(&account, &id).await;
    assert_eq!(flushed["lastUsed"], at_once["lastUsed"]);
}

#[tokio::test]
async fn a_use_is_written_down_once() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (id, value) = server.token(&account).await;
    server.bearer(&value).get("/me").await.is(200);
    server.app.flush_usage().await.unwrap();
    let mut db = super::audit::open(&server).await;
    let wiped = sqlx::query("UPDATE tokens SET last_used = NULL");
    wiped.execute(&mut db).await.unwrap();
    server.app.flush_usage().await.unwrap();
    assert_eq!(stored_use(&server, &id).await, None);
}

#[tokio::test]
async fn a_use_of_a_revoked_one_does_not_stop_the_flush() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (gone, gone_value) = server.token(&account).await;
    let (kept, kept_value) = server.token(&account).await;
    server.bearer(&gone_value).get("/me").await.is(200);
    server.bearer(&kept_value).get("/me").await.is(200);
    let path = format!("{TOKENS}/{account}/api-tokens/{gone}");
    server.admin().delete(&path).await.is(200);
    server.app.flush_usage().await.unwrap();
    assert_eq!(
        stored_use(&server, &kept).await,
        Some(server.now().as_millisecond())
    );
}

#[tokio::test]
async fn use_moves_the_expiry_of_an_extended_one() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (id, value) = server.token_with(&account, extended()).await;
    server.advance(seconds(1_800));
    server.bearer(&value).get("/me").await.is(200);
    assert_eq!(
        server.shown_token(&account, &id).await["exp"],
        "2026-01-01T01:30:00Z"
    );
    server.advance(seconds(3_599));
    server.bearer(&value).get("/me").await.is(200);
    server.advance(seconds(3_600));
    server.bearer(&value).get("/me").await.is(401);
}

#[tokio::test]
async fn an_expiry_that_moved_by_more_than_a_hundredth_is_stored_before_the_answer() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (id, value) = server.token_with(&account, extended()).await;
    let issued = stored_exp(&server, &id).await;
    server.advance(seconds(36));
    server.bearer(&value).get("/me").await.is(200);
    assert_eq!(stored_exp(&server, &id).await, issued);
    assert_eq!(
        server.shown_token(&account, &id).await["exp"],
        "2026-01-01T01:00:36Z"
    );
    server.advance(seconds(1));
    server.bearer(&value).get("/me").await.is(200);
    assert_eq!(
        stored_exp(&server, &id).await,
        issued.map(|exp| exp + 37_000)
    );
}

#[tokio::test]
async fn use_does_not_move_the_expiry_of_another_one() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let body = json!({"name": "plain", "maxAge": "PT1H", "extended": false});
    let (id, value) = server.token_with(&account, body).await;
    server.advance(seconds(1_800));
    server.bearer(&value).get("/me").await.is(200);
    assert_eq!(
        server.shown_token(&account, &id).await["exp"],
        "2026-01-01T01:00:00Z"
    );
}

#[tokio::test]
async fn names_need_not_be_unique() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (first, _) = server.token(&account).await;
    let (second, _) = server.token(&account).await;
    assert_ne!(first, second);
    let list = server
        .admin()
        .get(&format!("{TOKENS}/{account}/api-tokens"))
        .await;
    assert_eq!(list.json()["total"], 2);
}

#[rstest::rstest]
#[case("P1M")]
#[case("P1Y")]
#[case("PT0S")]
#[case("PT-1H")]
#[case("P99999999999999999999D")]
#[case("P100Y")]
#[case("tomorrow")]
#[tokio::test]
async fn a_max_age_that_is_none_is_refused_by_name(#[case] max_age: &str) {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let path = format!("{TOKENS}/{account}/api-tokens");
    let body = json!({"name": "t", "maxAge": max_age});
    let answer = server.admin().post(&path, body).await.is(422);
    assert!(
        answer.message().starts_with("maxAge: "),
        "{}",
        answer.message()
    );
    assert_eq!(server.admin().get(&path).await.json()["total"], 0);
}

#[tokio::test]
async fn everybody_has_tokens_of_their_own() {
    let server = Server::start().await;
    let (_, caller) = server.somebody_who(json!({})).await;
    let body = json!({"name": "mine", "maxAge": "P1D"});
    let made = caller.post("/me/api-tokens", body).await.is(200);
    let mine = server.bearer(&made.text_of("fullToken"));
    let names = mine.get("/me/api-tokens").await.is(200).each("name");
    assert_eq!(names, ["test", "mine"]);
    let path = format!("/me/api-tokens/{}", made.id());
    caller.delete(&path).await.is(200);
    mine.get("/me").await.is(401);
    caller.delete(&path).await.is(404);
}

#[tokio::test]
async fn nobody_revokes_the_token_of_somebody_else_as_their_own() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (id, value) = server.token(&account).await;
    let other = server.somebody().await;
    other.delete(&format!("/me/api-tokens/{id}")).await.is(404);
    server.bearer(&value).get("/me").await.is(200);
}

fn extended() -> Value {
    json!({"name": "extended", "maxAge": "PT1H", "extended": true})
}

async fn stored_use(server: &Server, token: &str) -> Option<i64> {
    stored(server, "SELECT last_used FROM tokens WHERE id = $1", token).await
}

async fn stored_exp(server: &Server, token: &str) -> Option<i64> {
    stored(server, "SELECT exp FROM tokens WHERE id = $1", token).await
}

async fn stored(server: &Server, sql: &'static str, token: &str) -> Option<i64> {
    let mut db = super::audit::open(server).await;
    let value = sqlx::query_scalar(sql).bind(token).fetch_one(&mut db).await;
    value.unwrap()
}
