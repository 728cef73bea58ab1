-- Instants are milliseconds since the epoch. Ids are opaque text made by the server. `seq` is the order in which rows
-- came, so that pages of a list stay where they are while new rows come.

CREATE TABLE instance (
    singleton BIGINT PRIMARY KEY CHECK (singleton = 1),
    uuid TEXT NOT NULL,
    -- The account whose token the admin's file holds.
    admin_id TEXT
);

CREATE TABLE tenants (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
);

-- Users and service accounts share one space of ids and one of names.
CREATE TABLE principals (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('STANDARD', 'SERVICE_ACCOUNT')),
    username TEXT NOT NULL UNIQUE,
    email TEXT,
    first_name TEXT,
    last_name TEXT,
    description TEXT,
    super_admin BOOLEAN NOT NULL,
    restricted BOOLEAN NOT NULL
);
CREATE INDEX principals_in_order ON principals (kind, seq);

CREATE TABLE passwords (
    id TEXT PRIMARY KEY,
    principal_id TEXT NOT NULL UNIQUE REFERENCES principals (id) ON DELETE CASCADE,
    hash TEXT NOT NULL
);

CREATE TABLE tokens (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    principal_id TEXT NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    prefix TEXT NOT NULL,
    -- SHA-256 of the value in hexadecimal; the value itself is nowhere.
    hash TEXT NOT NULL UNIQUE,
    iat BIGINT NOT NULL,
    max_age BIGINT,
    exp BIGINT,
    extended BOOLEAN NOT NULL,
    last_used BIGINT
);
CREATE INDEX tokens_in_order ON tokens (principal_id, seq);

CREATE TABLE tenant_access (
    seq INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    principal_id TEXT NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    UNIQUE (tenant_id, principal_id)
);
CREATE INDEX tenant_access_in_order ON tenant_access (tenant_id, seq);
CREATE INDEX tenant_access_by_principal ON tenant_access (principal_id);

CREATE TABLE user_groups (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    UNIQUE (tenant_id, name)
);
CREATE INDEX user_groups_in_order ON user_groups (tenant_id, seq);

CREATE TABLE memberships (
    seq INTEGER PRIMARY KEY,
    group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    principal_id TEXT NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    membership TEXT NOT NULL CHECK (membership IN ('MEMBER', 'OWNER')),
    -- The order in which the principal's groups were sent.
    position BIGINT NOT NULL,
    UNIQUE (group_id, principal_id)
);
CREATE INDEX memberships_in_order ON memberships (group_id, seq);
CREATE INDEX memberships_by_principal ON memberships (principal_id, position);

CREATE TABLE roles (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    -- JSON: resource to actions, in the order in which they were sent.
    permissions TEXT NOT NULL,
    is_default BOOLEAN NOT NULL,
    is_managed BOOLEAN NOT NULL
);
CREATE INDEX roles_in_order ON roles (tenant_id, seq);

CREATE TABLE bindings (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    principal_id TEXT REFERENCES principals (id) ON DELETE CASCADE,
    group_id TEXT REFERENCES user_groups (id) ON DELETE CASCADE,
    role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    -- Empty for the whole tenant, so that the constraints below see equal ones.
    namespace TEXT NOT NULL,
    CHECK ((principal_id IS NULL) <> (group_id IS NULL)),
    UNIQUE (tenant_id, principal_id, role_id, namespace),
    UNIQUE (tenant_id, group_id, role_id, namespace)
);
CREATE INDEX bindings_in_order ON bindings (tenant_id, seq);
CREATE INDEX bindings_by_principal ON bindings (principal_id);
CREATE INDEX bindings_by_group ON bindings (group_id);
CREATE INDEX bindings_by_role ON bindings (role_id);

CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    operation TEXT NOT NULL,
    tenant_id TEXT,
    target TEXT NOT NULL,
    source TEXT NOT NULL,
    result TEXT NOT NULL
);

CREATE TRIGGER audit_log_is_never_changed BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_log_is_never_cut BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
