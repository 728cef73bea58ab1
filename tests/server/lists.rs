//! Pages, filters and order.

use rstest::rstest;
use serde_json::json;
use sqlx::{Connection, QueryBuilder};

use super::server::{Server, with_names};

const NAMES: [&str; 5] = ["alpha", "alpine", "beta", "beta-two", "gamma"];

async fn named(server: &Server, query: &str) -> Vec<String> {
    let path = format!("/main/service-accounts?size=100&{query}");
    let mut names = server.admin().get(&path).await.is(200).each("username");
    names.retain(|name| name != "superadmin");
    names
}

#[rstest]
#[case("EQUALS", "alpha", &["alpha"])]
#[case("EQUALS", "ALPHA", &[])]
#[case("NOT_EQUALS", "alpha", &["alpine", "beta", "beta-two", "gamma"])]
#[case("IN", "alpha,gamma,none", &["alpha", "gamma"])]
#[case("NOT_IN", "alpha,gamma", &["alpine", "beta", "beta-two"])]
#[case("CONTAINS", "ET", &["beta", "beta-two"])]
#[case("NOT_CONTAINS", "a", &[])]
#[case("STARTS_WITH", "alp", &["alpha", "alpine"])]
#[case("ENDS_WITH", "a", &["alpha", "beta", "gamma"])]
#[case("LESS_THAN", "beta", &["alpha", "alpine"])]
#[case("LESS_THAN_OR_EQUAL_TO", "beta", &["alpha", "alpine", "beta"])]
#[case("GREATER_THAN", "beta", &["beta-two", "gamma"])]
#[case("GREATER_THAN_OR_EQUAL_TO", "beta-two", &["beta-two", "gamma"])]
#[case("IS_NOT_NULL", "", &NAMES)]
#[case("IS_NULL", "", &[])]
#[tokio::test]
async fn a_filter_by_name(#[case] op: &str, #[case] value: &str, #[case] expected: &[&str]) {
    let server = with_names(&NAMES).await;
    assert_eq!(
        named(&server, &format!("filters[username][{op}]={value}")).await,
        expected
    );
}

#[rstest]
#[case("filters[q][EQUALS]=alp", &["alpha", "alpine"])]
#[case("filters[q][NOT_EQUALS]=alp", &["beta", "beta-two", "gamma"])]
#[case("filters[q][IN]=alpha,two", &["alpha", "beta-two"])]
#[case("filters[QUERY][EQUALS]=alpha", &["alpha"])]
#[case("filters[USERNAME][EQUALS]=alpha", &["alpha"])]
#[case("filters[q][EQUALS]=alp&filters[username][ENDS_WITH]=e", &["alpine"])]
#[case("q=alp&filters[username][ENDS_WITH]=e", &["alpine"])]
#[case("filters[and][0][q][EQUALS]=et&filters[and][1][q][EQUALS]=two", &["beta-two"])]
#[case("filters[super_admin][EQUALS]=true", &[])]
#[case("filters[instance_owner][EQUALS]=false", &NAMES)]
#[case("filters[type][EQUALS]=STANDARD", &[])]
#[tokio::test]
async fn fields_and_how_they_combine(#[case] query: &str, #[case] expected: &[&str]) {
    let server = with_names(&NAMES).await;
    assert_eq!(named(&server, query).await, expected);
}

#[rstest]
#[case("%25")]
#[case("_")]
#[case("!")]
#[case("'%3B%20DROP%20TABLE%20principals%3B%20--")]
#[case("%22")]
#[tokio::test]
async fn a_word_is_a_word_and_nothing_else(#[case] word: &str) {
    let server = with_names(&NAMES).await;
    assert!(named(&server, &format!("q={word}")).await.is_empty());
    assert!(
        named(&server, &format!("filters[username][STARTS_WITH]={word}"))
            .await
            .is_empty()
    );
    assert_eq!(named(&server, "").await, NAMES);
}

#[rstest]
#[case("filters[nothing][EQUALS]=x")]
#[case("filters[username][LOOKS_LIKE]=x")]
#[case("filters[username][REGEX]=x")]
#[case("filters[username]=x")]
#[case("filters[or][x][username][EQUALS]=x")]
#[case("sort=nothing:asc")]
#[case("sort=username:sideways")]
#[case("sort=groupList:asc")]
#[case("page=one")]
#[case("size=1e3")]
#[tokio::test]
async fn a_query_that_cannot_be_read_is_a_400_that_says_why(#[case] query: &str) {
    let server = Server::start().await;
    let answer = server
        .admin()
        .get(&format!("/main/service-accounts?{query}"))
        .await
        .is(400);
    let parameter = query.split(['[', '=']).next().unwrap();
    assert!(
        answer.message().starts_with(parameter),
        "{}",
        answer.message()
    );
}

#[tokio::test]
async fn a_word_with_a_nul_character_is_a_400() {
    let server = Server::start().await;
    for query in ["q=%00", "filters[username][EQUALS]=a%00b", "sort=%00"] {
        let path = format!("/main/service-accounts?{query}");
        server.admin().get(&path).await.is(400);
    }
}

#[rstest]
#[case("page=0")]
#[case("page=-1")]
#[case("size=0")]
#[case("size=10001")]
#[tokio::test]
async fn a_page_out_of_range_is_a_422(#[case] query: &str) {
    let server = Server::start().await;
    server
        .admin()
        .get(&format!("/main/service-accounts?{query}"))
        .await
        .is(422);
}

#[tokio::test]
async fn accounts_are_found_by_their_group() {
    let server = with_names(&NAMES).await;
    let group = server.group("g").await;
    let beta = server
        .admin()
        .get("/main/service-accounts?q=beta-two")
        .await
        .each("id")
        .remove(0);
    server
        .admin()
        .put_nothing(&format!("/main/groups/{group}/members/{beta}"))
        .await
        .is(200);
    assert_eq!(
        named(&server, &format!("filters[groupList][EQUALS]={group}")).await,
        ["beta-two"]
    );
    assert_eq!(
        named(&server, &format!("filters[groupList][NOT_IN]={group}"))
            .await
            .len(),
        4
    );
}

#[tokio::test]
async fn bindings_are_found_below_a_namespace() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    for namespace in ["company", "company.team", "companyx"] {
        let body = json!({
            "type": "USER", "externalId": account, "roleId": "viewer_main", "namespaceId": namespace,
        });
        server.admin().post("/main/bindings", body).await.is(200);
    }
    let path = "/main/bindings/search?filters[namespace][PREFIX]=company";
    let found = server.admin().get(path).await.is(200).each("namespace");
    assert_eq!(found, ["company", "company.team"]);
    let path = format!("/main/bindings/search?filters[external_id][EQUALS]={account}");
    assert_eq!(server.admin().get(&path).await.json()["total"], 3);
}

#[tokio::test]
async fn tenants_are_listed_and_found() {
    let server = Server::start().await;
    for (id, name) in [("one", "First"), ("two", "Second")] {
        server
            .admin()
            .post("/tenants", json!({"id": id, "name": name}))
            .await
            .is(200);
    }
    assert_eq!(
        server.admin().get("/tenants/search").await.each("id"),
        ["main", "one", "two"]
    );
    assert_eq!(
        server.admin().get("/tenants/search?q=sec").await.each("id"),
        ["two"]
    );
    let body = json!({"id": "one", "name": "Again"});
    server.admin().post("/tenants", body).await.is(409);
    let renamed = server
        .admin()
        .put("/tenants/one", json!({"name": "Uno"}))
        .await
        .is(200);
    assert_eq!(
        renamed.json(),
        json!({"id": "one", "name": "Uno", "deleted": false})
    );
    server.admin().delete("/tenants/one").await.is(204);
    server.admin().get("/one/groups/search").await.is(404);
}

#[tokio::test]
async fn a_page_beyond_the_end_is_empty_and_the_total_stays() {
    let server = with_names(&NAMES).await;
    let beyond = server
        .admin()
        .get("/main/service-accounts?page=9&size=3")
        .await
        .is(200);
    assert_eq!(beyond.json(), json!({"results": [], "total": 6}));
}

/// Pages over ten thousand accounts hold each of them once.
#[tokio::test]
async fn ten_thousand_accounts_are_listed_page_by_page() {
    let server = Server::start().await;
    let mut db = super::audit::open(&server).await;
    let mut tx = db.begin().await.unwrap();
    let numbers: Vec<u32> = (0..10_000).collect();
    for some in numbers.chunks(1_000) {
        let mut accounts = QueryBuilder::new(
            "INSERT INTO principals (id, kind, username, super_admin, restricted) ",
        );
        accounts.push_values(some, |mut row, number| {
            row.push_bind(format!("id{number}"));
            row.push_bind("SERVICE_ACCOUNT");
            row.push_bind(format!("account-{number}"));
            row.push_bind(false).push_bind(false);
        });
        accounts.build().execute(&mut *tx).await.unwrap();
    }
    let access = "INSERT INTO tenant_access (tenant_id, principal_id)
                  SELECT 'main', id FROM principals WHERE id LIKE 'id%' ORDER BY seq";
    sqlx::query(access).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let mut seen = Vec::new();
    for page in 1..=11 {
        let path = format!("/main/service-accounts?size=1000&page={page}");
        let answer = server.admin().get(&path).await.is(200);
        assert_eq!(answer.json()["total"], 10_001);
        seen.extend(answer.each("username"));
    }
    assert_eq!(seen.len(), 10_001);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 10_001);
}
