//! Each route by its codes: success for whom it is meant, 401 without a credential, 403 without the right and in a tenant
//! that one may not enter, 404 for what is not there, 422 for a body that is none.
//!
//! The words in braces are ids of things that exist. The right is what a caller needs in 1.x: who has it and nothing
//! else is served, who has everything else is not.

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};

use super::server::{Answer, Caller, Server};

/// Who may use a route.
#[derive(Clone, Copy)]
enum Needs {
    /// Everybody who is known.
    Nothing,
    /// The owner of the whole instance.
    Superadmin,
    /// A permission in the tenant.
    Right(&'static str, &'static str),
}

use Needs::{Nothing, Right, Superadmin};

struct Route {
    method: Method,
    path: &'static str,
    /// Empty if the route has none.
    body: &'static str,
    success: u16,
    needs: Needs,
}

const fn route(
    method: Method,
    path: &'static str,
    body: &'static str,
    success: u16,
    needs: Needs,
) -> Route {
    Route {
        method,
        path,
        body,
        success,
        needs,
    }
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

const BINDING: &str = r#"{"type":"USER","externalId":"{account}","roleId":"{role}"}"#;
const BINDINGS: &str = r#"[{"type":"USER","externalId":"{account}","roleId":"{role}"}]"#;
const GROUPS: &str = r#"{"groupIds":["{group}"]}"#;
const IDS: &str = r#"{"ids":[]}"#;
const NAME: &str = r#"{"name":"new"}"#;
const OWNER: &str = r#"{"instanceOwner":true}"#;
const PASSWORD: &str = r#"{"password":"An0ther!!"}"#;
const ROLE: &str = r#"{"name":"new","permissions":{"FLOW":["READ"]}}"#;
const SUPERADMIN: &str = r#"{"superAdmin":true}"#;
const TENANT: &str = r#"{"id":"new","name":"New"}"#;
const USER: &str = r#"{"email":"new@example.org"}"#;
const WORD: &str = r#"{"q":"e"}"#;

const ME: &[Route] = &[
    route(GET, "/license-info", "", 200, Nothing),
    route(GET, "/me", "", 200, Nothing),
    route(GET, "/me/invitations", "", 200, Nothing),
    route(GET, "/me/api-tokens", "", 200, Nothing),
    route(POST, "/me/api-tokens", NAME, 200, Nothing),
    route(GET, "/main/acls/permissions", "", 200, Nothing),
    route(GET, "/main/acls/actions", "", 200, Nothing),
];

const INSTANCE: &[Route] = &[
    route(GET, "/service-accounts", "", 200, Superadmin),
    route(POST, "/service-accounts", NAME, 200, Superadmin),
    route(GET, "/service-accounts/{account}", "", 200, Superadmin),
    route(PATCH, "/service-accounts/{account}", NAME, 200, Superadmin),
    route(DELETE, "/service-accounts/{account}", "", 204, Superadmin),
    route(
        PATCH,
        "/service-accounts/{account}/superadmin",
        SUPERADMIN,
        200,
        Superadmin,
    ),
    route(
        PATCH,
        "/service-accounts/{account}/instanceowner",
        OWNER,
        200,
        Superadmin,
    ),
    route(
        GET,
        "/service-accounts/{account}/api-tokens",
        "",
        200,
        Superadmin,
    ),
    route(
        POST,
        "/service-accounts/{account}/api-tokens",
        NAME,
        200,
        Superadmin,
    ),
    route(
        DELETE,
        "/service-accounts/{account}/api-tokens/{token}",
        "",
        200,
        Superadmin,
    ),
    route(GET, "/users", "", 200, Superadmin),
    route(POST, "/users", USER, 201, Superadmin),
    route(GET, "/users/{user}", "", 200, Superadmin),
    route(PUT, "/users/{user}", USER, 200, Superadmin),
    route(PATCH, "/users/{user}", USER, 200, Superadmin),
    route(DELETE, "/users/{user}", "", 204, Superadmin),
    route(PATCH, "/users/{user}/password", PASSWORD, 200, Superadmin),
    route(
        PATCH,
        "/users/{user}/superadmin",
        SUPERADMIN,
        200,
        Superadmin,
    ),
    route(PATCH, "/users/{user}/instanceowner", OWNER, 200, Superadmin),
    route(
        PATCH,
        "/users/{user}/restricted",
        r#"{"restricted":true}"#,
        200,
        Superadmin,
    ),
    route(DELETE, "/users/{user}/auths/{auth}", "", 200, Superadmin),
    route(DELETE, "/users/{user}/refresh-token", "", 204, Superadmin),
    route(GET, "/users/{user}/api-tokens", "", 200, Superadmin),
    route(POST, "/users/{user}/api-tokens", NAME, 201, Superadmin),
    route(
        DELETE,
        "/users/{user}/api-tokens/{user-token}",
        "",
        204,
        Superadmin,
    ),
    route(POST, "/tenants", TENANT, 200, Superadmin),
    route(GET, "/tenants/search", "", 200, Superadmin),
    route(GET, "/tenants/{tenant}", "", 200, Superadmin),
    route(PUT, "/tenants/{tenant}", NAME, 200, Superadmin),
    route(DELETE, "/tenants/{tenant}", "", 204, Superadmin),
    route(GET, "/auditlogs/search", "", 200, Superadmin),
];

const IN_TENANT: &[Route] = &[
    route(
        GET,
        "/main/service-accounts",
        "",
        200,
        Right("SERVICE_ACCOUNT", "READ"),
    ),
    route(
        POST,
        "/main/service-accounts",
        NAME,
        200,
        Right("SERVICE_ACCOUNT", "CREATE"),
    ),
    route(
        GET,
        "/main/service-accounts/{account}",
        "",
        200,
        Right("SERVICE_ACCOUNT", "READ"),
    ),
    route(
        PUT,
        "/main/service-accounts/{account}",
        NAME,
        200,
        Right("SERVICE_ACCOUNT", "UPDATE"),
    ),
    route(
        DELETE,
        "/main/service-accounts/{account}",
        "",
        200,
        Right("SERVICE_ACCOUNT", "DELETE"),
    ),
    route(
        GET,
        "/main/service-accounts/{account}/api-tokens",
        "",
        200,
        Right("SERVICE_ACCOUNT", "READ"),
    ),
    route(
        POST,
        "/main/service-accounts/{account}/api-tokens",
        NAME,
        200,
        Right("SERVICE_ACCOUNT", "UPDATE"),
    ),
    route(
        DELETE,
        "/main/service-accounts/{account}/api-tokens/{token}",
        "",
        200,
        Right("SERVICE_ACCOUNT", "DELETE"),
    ),
    route(POST, "/main/groups", NAME, 200, Right("GROUP", "CREATE")),
    route(GET, "/main/groups/search", "", 200, Right("GROUP", "READ")),
    route(
        POST,
        "/main/groups/autocomplete",
        WORD,
        200,
        Right("GROUP", "READ"),
    ),
    route(POST, "/main/groups/ids", IDS, 200, Right("GROUP", "READ")),
    route(GET, "/main/groups/{group}", "", 200, Right("GROUP", "READ")),
    route(
        PUT,
        "/main/groups/{group}",
        NAME,
        200,
        Right("GROUP", "UPDATE"),
    ),
    route(
        DELETE,
        "/main/groups/{group}",
        "",
        200,
        Right("GROUP", "DELETE"),
    ),
    route(
        GET,
        "/main/groups/{group}/members",
        "",
        200,
        Right("GROUP_MEMBERSHIP", "READ"),
    ),
    route(
        PUT,
        "/main/groups/{group}/members/{account}",
        "",
        200,
        Right("GROUP_MEMBERSHIP", "CREATE"),
    ),
    route(
        DELETE,
        "/main/groups/{group}/members/{member}",
        "",
        200,
        Right("GROUP_MEMBERSHIP", "DELETE"),
    ),
    route(
        PUT,
        "/main/groups/{group}/members/membership/{member}?membership=OWNER",
        "",
        200,
        Right("GROUP_MEMBERSHIP", "UPDATE"),
    ),
    route(
        PUT,
        "/main/users/{user}/groups",
        GROUPS,
        204,
        Right("GROUP_MEMBERSHIP", "UPDATE"),
    ),
    route(POST, "/main/roles", ROLE, 200, Right("ROLE", "CREATE")),
    route(GET, "/main/roles/search", "", 200, Right("ROLE", "READ")),
    route(
        POST,
        "/main/roles/autocomplete",
        WORD,
        200,
        Right("ROLE", "READ"),
    ),
    route(POST, "/main/roles/ids", IDS, 200, Right("ROLE", "READ")),
    route(GET, "/main/roles/{role}", "", 200, Right("ROLE", "READ")),
    route(
        PUT,
        "/main/roles/{role}",
        ROLE,
        200,
        Right("ROLE", "UPDATE"),
    ),
    route(
        DELETE,
        "/main/roles/{role}",
        "",
        204,
        Right("ROLE", "DELETE"),
    ),
    route(
        POST,
        "/main/bindings",
        BINDING,
        200,
        Right("BINDING", "CREATE"),
    ),
    route(
        POST,
        "/main/bindings/bulk",
        BINDINGS,
        200,
        Right("BINDING", "CREATE"),
    ),
    route(
        GET,
        "/main/bindings/search",
        "",
        200,
        Right("BINDING", "READ"),
    ),
    route(
        GET,
        "/main/bindings/{binding}",
        "",
        200,
        Right("BINDING", "READ"),
    ),
    route(
        DELETE,
        "/main/bindings/{binding}",
        "",
        204,
        Right("BINDING", "DELETE"),
    ),
    route(
        GET,
        "/main/tenant-access",
        "",
        200,
        Right("TENANT_ACCESS", "READ"),
    ),
    route(
        POST,
        "/main/tenant-access",
        r#"{"email":"u@example.org"}"#,
        204,
        Right("TENANT_ACCESS", "CREATE"),
    ),
    route(
        POST,
        "/main/tenant-access/autocomplete",
        WORD,
        200,
        Right("TENANT_ACCESS", "READ"),
    ),
    route(
        GET,
        "/main/tenant-access/{account}",
        "",
        200,
        Right("TENANT_ACCESS", "READ"),
    ),
    route(
        PUT,
        "/main/tenant-access/{user}",
        "",
        201,
        Right("TENANT_ACCESS", "CREATE"),
    ),
    route(
        DELETE,
        "/main/tenant-access/{account}",
        "",
        204,
        Right("TENANT_ACCESS", "DELETE"),
    ),
];

fn all() -> impl Iterator<Item = &'static Route> {
    ME.iter().chain(INSTANCE).chain(IN_TENANT)
}

/// A server with one of each thing.
struct World {
    server: Server,
    ids: Vec<(&'static str, String)>,
}

impl World {
    async fn new() -> Self {
        let server = Server::start().await;
        let admin = server.admin();
        let account = server.account("account").await;
        let member = server.account("member").await;
        let group = server.group("group").await;
        admin
            .put_nothing(&format!("/main/groups/{group}/members/{member}"))
            .await
            .is(200);
        let role = server.role("role", json!({"FLOW": ["READ"]})).await;
        let binding = server.bind(&member, &role).await;
        let (token, _) = server.token(&account).await;
        let user = server
            .user(json!({"email": "u@example.org", "password": "Passw0rd!"}))
            .await;
        let made = admin
            .post(&format!("/users/{user}/api-tokens"), json!({"name": "t"}))
            .await;
        let shown = admin.get(&format!("/users/{user}")).await.json();
        let auth = shown["auths"][0]["id"].as_str().unwrap().to_owned();
        admin
            .post("/tenants", json!({"id": "other", "name": "Other"}))
            .await
            .is(200);
        let ids = vec![
            ("{account}", account),
            ("{member}", member),
            ("{group}", group),
            ("{role}", role),
            ("{binding}", binding),
            ("{token}", token),
            ("{user}", user),
            ("{user-token}", made.id()),
            ("{auth}", auth),
            ("{tenant}", "other".to_owned()),
        ];
        Self { server, ids }
    }

    /// Another server over a copy of the same database.
    async fn twin(&self) -> Self {
        Self {
            server: self.server.twin().await,
            ids: self.ids.clone(),
        }
    }

    fn fill(&self, template: &str) -> String {
        let ids = self.ids.iter();
        ids.fold(template.to_owned(), |text, (word, id)| {
            text.replace(word, id)
        })
    }

    async fn send(&self, caller: &Caller<'_>, route: &Route) -> Answer {
        self.send_to(caller, route, route.path).await
    }

    async fn send_to(&self, caller: &Caller<'_>, route: &Route, path: &str) -> Answer {
        let path = format!("/api/v1{}", self.fill(path));
        let body = Bytes::from(self.fill(route.body));
        caller.send_raw(route.method.clone(), &path, body).await
    }

    /// Somebody who may do exactly what the route needs, and holds what the requests of the table grant.
    async fn one_who_may(&self, needs: Needs) -> Caller<'_> {
        match needs {
            Nothing => self.server.somebody().await,
            Superadmin => self.server.admin(),
            Right("FLOW", action) => panic!("{action} on flows is what the table grants"),
            Right(resource, action) => {
                let permissions = json!({resource: [action], "FLOW": ["READ"]});
                self.server.somebody_who(permissions).await.1
            }
        }
    }

    /// Somebody who may do everything else.
    async fn one_who_may_not(&self, needs: Needs) -> Caller<'_> {
        let mut permissions = everything();
        if let Right(resource, action) = needs {
            let actions = permissions[resource].as_array_mut().unwrap();
            actions.retain(|other| other != action);
        }
        self.server.somebody_who(permissions).await.1
    }
}

fn everything() -> Value {
    let resources = [
        "FLOW",
        "EXECUTION",
        "NAMESPACE",
        "USER",
        "GROUP",
        "ROLE",
        "BINDING",
        "AUDITLOG",
        "TENANT_ACCESS",
        "SERVICE_ACCOUNT",
        "INVITATION",
        "GROUP_MEMBERSHIP",
        "IMPERSONATE",
        "SETTING",
    ];
    let actions = json!(["READ", "CREATE", "UPDATE", "DELETE"]);
    resources
        .iter()
        .map(|resource| ((*resource).to_owned(), actions.clone()))
        .collect()
}

/// Collects what did not answer as it should, so that one run shows all of it.
#[derive(Default)]
struct Surprises(Vec<String>);

impl Surprises {
    fn expect(&mut self, route: &Route, path: &str, answer: &Answer, status: u16) {
        if answer.status != status {
            let text = String::from_utf8_lossy(&answer.body);
            let line = format!(
                "{} {path}: {} in place of {status}: {text}",
                route.method, answer.status
            );
            self.0.push(line);
        }
    }

    #[track_caller]
    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[tokio::test]
async fn each_route_serves_whom_it_is_meant_for() {
    let first = World::new().await;
    let mut surprises = Surprises::default();
    for route in all() {
        let world = first.twin().await;
        let caller = world.one_who_may(route.needs).await;
        let answer = world.send(&caller, route).await;
        surprises.expect(route, route.path, &answer, route.success);
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_answers_401_without_a_credential_that_works() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in all() {
        for caller in [world.server.nobody(), world.server.bearer("unknown")] {
            let answer = world.send(&caller, route).await;
            surprises.expect(route, route.path, &answer, 401);
        }
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_answers_403_to_those_who_have_every_right_but_this() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in INSTANCE.iter().chain(IN_TENANT) {
        let caller = world.one_who_may_not(route.needs).await;
        let answer = world.send(&caller, route).await;
        surprises.expect(route, route.path, &answer, 403);
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_of_a_tenant_answers_403_to_those_who_may_not_enter_it() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in IN_TENANT {
        let caller = world.one_who_may(route.needs).await;
        let id = caller.get("/me").await.id();
        let access = format!("/main/tenant-access/{id}");
        world.server.admin().delete(&access).await.is(204);
        let answer = world.send(&caller, route).await;
        surprises.expect(route, route.path, &answer, 403);
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_of_a_tenant_answers_404_if_there_is_no_such_tenant() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in IN_TENANT {
        let path = route.path.replacen("/main/", "/nowhere/", 1);
        let answer = world.send_to(&world.server.admin(), route, &path).await;
        surprises.expect(route, &path, &answer, 404);
    }
    surprises.none();
}

/// Each id in a path in turn is one that nothing has.
#[tokio::test]
async fn each_route_answers_404_for_what_is_not_there() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in INSTANCE.iter().chain(IN_TENANT) {
        for (word, _) in world
            .ids
            .iter()
            .filter(|(word, _)| route.path.contains(word))
        {
            let path = route.path.replace(word, "2EPi5XC0oluKRCVF56gcC");
            let answer = world.send_to(&world.server.admin(), route, &path).await;
            surprises.expect(route, &path, &answer, 404);
        }
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_answers_422_to_a_body_that_is_none() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    for route in all().filter(|route| !route.body.is_empty()) {
        // The one route whose document says 400.
        let expected = if route.body == GROUPS { 400 } else { 422 };
        for body in ["", "{", "7", "\"text\"", "{} trailing"] {
            let path = format!("/api/v1{}", world.fill(route.path));
            let admin = world.server.admin();
            let answer = admin
                .send_raw(route.method.clone(), &path, Bytes::from(body))
                .await;
            surprises.expect(route, route.path, &answer, expected);
        }
    }
    surprises.none();
}

#[tokio::test]
async fn each_route_answers_422_to_a_body_without_what_it_needs() {
    let world = World::new().await;
    let mut surprises = Surprises::default();
    let needs_nothing = |route: &&Route| {
        route.body.is_empty()
            || [WORD, IDS].contains(&route.body)
            || route.path == "/users/{user}" && route.method == PATCH
    };
    for route in all().filter(|route| !needs_nothing(route)) {
        let expected = if route.body == GROUPS { 400 } else { 422 };
        let body = if route.body == BINDINGS { "[{}]" } else { "{}" };
        let path = format!("/api/v1{}", world.fill(route.path));
        let admin = world.server.admin();
        let answer = admin
            .send_raw(route.method.clone(), &path, Bytes::from(body))
            .await;
        surprises.expect(route, route.path, &answer, expected);
    }
    surprises.none();
}

#[tokio::test]
async fn the_open_routes_need_no_credential() {
    let server = Server::start().await;
    let nobody = server.nobody();
    let health = nobody.send_raw(GET, "/health", Bytes::new()).await.is(200);
    assert_eq!(health.json(), json!({"status": "UP"}));
    let configs = nobody.get("/configs").await.is(200).json();
    assert_eq!(
        (&configs["edition"], &configs["version"]),
        (&json!("EE"), &json!("1.3.26"))
    );
    nobody.get("/configs/login").await.is(200);
}
