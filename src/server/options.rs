//! Flags of the `server` subcommand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

/// Which line of Kestra the server behaves like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compat {
    /// Kestra 1.0 to 1.3.
    #[value(name = "1.x")]
    V1,
    /// Kestra 2.
    #[value(name = "2.x")]
    V2,
}

impl Compat {
    /// The version that `/api/v1/configs` tells.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::V1 => "1.3.26",
            Self::V2 => "2.0.0",
        }
    }
}

/// What the embedded IAM server is told.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// Address to listen on; port 0 takes a free one, which is printed on standard output
    #[arg(
        long,
        env = "KESTRA_IAM_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "HOST:PORT"
    )]
    pub listen: SocketAddr,

    /// Directory of the database, `iam.db`; made if it is missing
    #[arg(long, env = "KESTRA_IAM_DATA", value_name = "DIR")]
    pub data: PathBuf,

    /// File with the superadmin's token; if it is missing, a new token is written there (mode 0600)
    ///
    /// Without this flag the environment variable `KESTRA_IAM_ADMIN_TOKEN` is the token. Without both, whoever first
    /// calls `POST /api/v1/setup` becomes the superadmin: keep the address to yourself until then.
    #[arg(long, env = "KESTRA_IAM_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// Tenants in which that superadmin has the role Admin
    #[arg(
        long,
        env = "KESTRA_IAM_TENANT_ADMIN_ACCESS",
        value_name = "TENANT",
        value_delimiter = ',',
        default_value = "main"
    )]
    pub tenant_admin_access: Vec<String>,

    /// Line of Kestra to behave like
    #[arg(
        long,
        env = "KESTRA_IAM_COMPAT",
        value_enum,
        default_value = "1.x",
        value_name = "LINE"
    )]
    pub compat: Compat,

    /// PEM file with the certificate chain; turns TLS on
    #[arg(
        long,
        env = "KESTRA_IAM_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,

    /// PEM file with the certificate's private key
    #[arg(
        long,
        env = "KESTRA_IAM_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,

    /// Largest request body in bytes
    #[arg(long, env = "KESTRA_IAM_MAX_BODY", value_name = "BYTES", default_value_t = 1024 * 1024)]
    pub max_body: usize,

    /// How long a client may take to send the head of a request
    #[arg(long, env = "KESTRA_IAM_HEADER_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub header_timeout: Duration,

    /// How long a client may take to send the whole body of a request
    #[arg(long, env = "KESTRA_IAM_BODY_TIMEOUT", value_name = "DURATION", default_value = "20s", value_parser = duration)]
    pub body_timeout: Duration,

    /// How long requests under way may take to end when the server is told to stop
    #[arg(long, env = "KESTRA_IAM_SHUTDOWN_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub shutdown_timeout: Duration,

    /// File with milliseconds that are added to the clock (for tests)
    #[arg(long, hide = true, value_name = "FILE")]
    pub clock_offset_file: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text
        .parse()
        .map_err(|_| "write a number with its unit, e.g. 10s or 500ms".to_owned())?;
    Duration::try_from(parsed)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "must be longer than nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: ServerArgs,
    }

    fn parse(flags: &[&str]) -> Result<ServerArgs, clap::Error> {
        let program = std::iter::once("server").chain(flags.iter().copied());
        Program::try_parse_from(program).map(|program| program.args)
    }

    #[test]
    fn the_data_directory_is_all_it_takes() {
        let args = parse(&["--data", "d"]).unwrap();
        assert_eq!(args.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(args.compat, Compat::V1);
        assert_eq!(args.tenant_admin_access, ["main"]);
        assert_eq!(args.header_timeout, Duration::from_secs(10));
    }

    #[test]
    fn lines_are_spelt_as_kestra_numbers_them() {
        assert_eq!(
            parse(&["--data", "d", "--compat", "2.x"]).unwrap().compat,
            Compat::V2
        );
        assert!(parse(&["--data", "d", "--compat", "3.x"]).is_err());
    }

    #[test]
    fn a_certificate_needs_its_key() {
        assert!(parse(&["--data", "d", "--tls-cert", "c"]).is_err());
        assert!(parse(&["--data", "d", "--tls-cert", "c", "--tls-key", "k"]).is_ok());
    }

    #[test]
    fn a_timeout_is_a_number_with_its_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "5", "0s", "-1s", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
