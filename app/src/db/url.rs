//! Database URLs as people and platforms write them.

use std::str::FromStr;

use sea_orm::sqlx::postgres::PgConnectOptions;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, Result};

/// Schemes that mean Postgres. The last one comes from Python deployments.
const SCHEMES: &[&str] = &["postgres://", "postgresql://", "postgresql+asyncpg://"];

/// Connect options from a URL; the error names the variable and never the value.
pub(super) fn parse(variable: &str, url: &SecretString) -> Result<PgConnectOptions> {
    let given = url.expose_secret().trim();
    let Some(rest) = SCHEMES.iter().find_map(|scheme| given.strip_prefix(scheme)) else {
        return Err(Error::startup(
            format!("{variable} is not a Postgres URL"),
            format!(
                "write it as postgres://USER:PASSWORD@HOST:5432/DATABASE; allowed schemes: {}",
                SCHEMES.join(" ")
            ),
        ));
    };
    PgConnectOptions::from_str(&format!("postgres://{rest}")).map_err(|_| {
        Error::startup(
            format!("{variable} cannot be read as a URL"),
            "write it as postgres://USER:PASSWORD@HOST:5432/DATABASE and percent-encode special characters of the password",
        )
    })
}

/// Where options lead, without credentials.
pub(super) fn describe(options: &PgConnectOptions) -> String {
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_of_the_contract_is_understood() {
        for scheme in SCHEMES {
            let url = SecretString::from(format!("{scheme}someone:hidden@db.example:5433/core"));
            let options = parse("DATABASE_URL", &url).unwrap();
            assert_eq!(describe(&options), "db.example:5433/core");
        }
    }

    #[test]
    fn an_error_names_the_variable_and_hides_the_value() {
        let url = SecretString::from("mysql://someone:hidden@db.example/core");
        let message = parse("AI_DATABASE_URL", &url).unwrap_err().to_string();
        assert!(message.contains("AI_DATABASE_URL"), "{message}");
        assert!(!message.contains("hidden"), "{message}");
    }
}
