//! What can go wrong while a request is answered, and the status that says so.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A failed request. Its text goes to the caller: it names what is wrong and never repeats a value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 400: the query cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// 401: no credential, or one that does not (or no longer) work.
    #[error("Unauthorized")]
    Unauthorized,
    /// 403: known, but not allowed.
    #[error("Forbidden: {0}")]
    Forbidden(String),
    /// 404.
    #[error("Not Found: {0}")]
    NotFound(String),
    /// 405: not any more.
    #[error("Method Not Allowed: {0}")]
    NotAllowed(&'static str),
    /// 408: the body took too long.
    #[error("Request Timeout: the body did not arrive in time")]
    TooSlow,
    /// 409.
    #[error("Conflict: {0}")]
    Conflict(String),
    /// 413.
    #[error("Payload Too Large")]
    TooLarge,
    /// 422: a member of the body, or a parameter, that is not valid.
    #[error("{field}: {mend}")]
    Invalid {
        /// The member or parameter.
        field: String,
        /// What to write instead.
        mend: String,
    },
    /// 500: the database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// 500: the database holds what the server does not understand.
    #[error("the database holds a value that cannot be read: {0}")]
    Corrupt(&'static str),
    /// 500: the system's random generator failed.
    #[error("the system's random generator failed")]
    Random(#[from] rand::rngs::SysError),
    /// 500: hashing a password failed.
    #[error("hashing a password failed")]
    Hashing,
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            mend: mend.into(),
        }
    }

    /// 404 for something with an id, e.g. `group 'xyz'`.
    pub(crate) fn not_found(kind: &str, id: &str) -> Self {
        Self::NotFound(format!("{kind} '{id}' does not exist"))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::NotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Database(_) | Self::Corrupt(_) | Self::Random(_) | Self::Hashing => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

/// What the outermost layer writes into the body, once it knows the path that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Explanation {
    pub(crate) message: String,
    /// The member or parameter at fault.
    pub(crate) field: Option<String>,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        let message = if status.is_server_error() {
            tracing::error!(error = &self as &dyn std::error::Error, "a request failed");
            "Internal Server Error".to_owned()
        } else {
            self.to_string()
        };
        let field = match self {
            Self::Invalid { field, .. } => Some(field),
            _ => None,
        };
        let mut response = status.into_response();
        response
            .extensions_mut()
            .insert(Explanation { message, field });
        response
    }
}
