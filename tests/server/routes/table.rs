//! The routes.

use axum::http::Method;

/// Who may use a route.
#[derive(Clone, Copy)]
pub(crate) enum Needs {
    /// Everybody who is known.
    Nothing,
    /// The owner of the whole instance.
    Superadmin,
    /// A permission in the tenant.
    Right(&'static str, &'static str),
}

use Needs::{Nothing, Right, Superadmin};

pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// Empty if the route has none.
    pub(crate) body: &'static str,
    pub(crate) success: u16,
    pub(crate) needs: Needs,
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

pub(crate) const GET: Method = Method::GET;
pub(crate) const POST: Method = Method::POST;
pub(crate) const PUT: Method = Method::PUT;
pub(crate) const PATCH: Method = Method::PATCH;
pub(crate) const DELETE: Method = Method::DELETE;

pub(crate) const BINDING: &str = r#"{"type":"USER","externalId":"{account}","roleId":"{role}"}"#;
pub(crate) const BINDINGS: &str = r#"[{"type":"USER","externalId":"{account}","roleId":"{role}"}]"#;
pub(crate) const GROUPS: &str = r#"{"groupIds":["{group}"]}"#;
pub(crate) const IDS: &str = r#"{"ids":[]}"#;
pub(crate) const NAME: &str = r#"{"name":"new"}"#;
pub(crate) const OWNER: &str = r#"{"instanceOwner":true}"#;
pub(crate) const PASSWORD: &str = r#"{"password":"An0ther!!"}"#;
pub(crate) const ROLE: &str = r#"{"name":"new","permissions":{"FLOW":["READ"]}}"#;
pub(crate) const SUPERADMIN: &str = r#"{"superAdmin":true}"#;
pub(crate) const TENANT: &str = r#"{"id":"new","name":"New"}"#;
pub(crate) const USER: &str = r#"{"email":"new@example.org"}"#;
pub(crate) const WORD: &str = r#"{"q":"e"}"#;

pub(crate) const ME: &[Route] = &[
    route(GET, "/license-info", "", 200, Nothing),
    route(GET, "/me", "", 200, Nothing),
    route(GET, "/me/invitations", "", 200, Nothing),
    route(GET, "/me/api-tokens", "", 200, Nothing),
    route(POST, "/me/api-tokens", NAME, 200, Nothing),
    route(GET, "/main/acls/permissions", "", 200, Nothing),
    route(GET, "/main/acls/actions", "", 200, Nothing),
];

pub(crate) const INSTANCE: &[Route] = &[
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

pub(crate) const IN_TENANT: &[Route] = &[
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

pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    ME.iter().chain(INSTANCE).chain(IN_TENANT)
}
