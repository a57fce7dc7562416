//! Whoever is logged in on this machine, for development.

use super::{AccessToken, Credential, CredentialError, said};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// It starts in a second or two and asks Microsoft Entra once.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks whether it has ended.
const BEAT: Duration = Duration::from_millis(50);

/// The program `az`, asked for a token; one that does not end is ended.
#[derive(Debug, Clone, Default)]
pub struct AzureCli {
    /// The directory; that of the login where none is named.
    pub tenant: Option<String>,
}

impl AzureCli {
    fn run(&self, scope: &str) -> Result<AccessToken, CredentialError> {
        let mut command = Command::new("az");
        command.args(["account", "get-access-token", "--output", "json", "--scope", scope]).stdin(Stdio::null());
        if let Some(tenant) = &self.tenant {
            command.args(["--tenant", tenant]);
        }
        let ended = within(command, LIMIT)?;
        if !ended.status.success() {
            return Err(CredentialError::refused(&refusal(&String::from_utf8_lossy(&ended.stderr))));
        }
        read(&ended.stdout, Timestamp::now())
    }
}

/// What the program prints, the code of whoever refused first.
fn refusal(printed: &str) -> String {
    let said = said::lasting(printed);
    format!("{}: said by the Azure CLI, which gives no token", said.strip_prefix("ERROR: ").unwrap_or(&said))
}

/// Runs a program that prints less than a pipe holds (64 KiB).
fn within(mut command: Command, limit: Duration) -> Result<Output, CredentialError> {
    let cannot = |error: std::io::Error| CredentialError::refused(&format!("the Azure CLI cannot be run: {error}"));
    let started = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(cannot)?;
    while child.try_wait().map_err(cannot)?.is_none() {
        if started.elapsed() >= limit {
            // What it has started may hold its pipes: they are not read.
            let _ = child.kill();
            let _ = child.wait();
            return Err(CredentialError::away(&format!("the Azure CLI gives no token within {limit:?}")));
        }
        std::thread::sleep(BEAT);
    }
    child.wait_with_output().map_err(cannot)
}

#[async_trait]
impl Credential for AzureCli {
    async fn token(&self, scope: &str) -> Result<AccessToken, CredentialError> {
        let (this, scope) = (self.clone(), scope.to_owned());
        let ended = tokio::task::spawn_blocking(move || this.run(&scope)).await;
        ended.unwrap_or_else(|error| Err(CredentialError::away(&error.to_string())))
    }
}

/// `accessToken`, and when it ends, in seconds since 1970 (`expires_on`, since version 2.54 of the program).
fn read(printed: &[u8], now: Timestamp) -> Result<AccessToken, CredentialError> {
    let unusable = || CredentialError::refused("the Azure CLI prints no token; version 2.54 or newer is needed");
    let document: Value = serde_json::from_slice(printed).map_err(|_| unusable())?;
    let secret = document.get("accessToken").and_then(Value::as_str).ok_or_else(unusable)?;
    let ends = document.get("expires_on").and_then(Value::as_i64).ok_or_else(unusable)?;
    let left = u64::try_from(ends.saturating_sub(now.as_second())).unwrap_or_default();
    AccessToken::new(secret, Duration::from_secs(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let mut sleeps = Command::new("sleep");
        sleeps.arg("60");
        let error = within(sleeps, Duration::from_millis(200)).unwrap_err();
        assert!(error.is_transient && error.message.contains("within 200ms"), "{error}");
        let mut prints = Command::new("echo");
        prints.arg("abc");
        assert_eq!(within(prints, Duration::from_secs(30)).unwrap().stdout, b"abc\n");
    }

    #[test]
    fn a_refusal_begins_with_its_code_and_says_what_to_run() {
        let printed = "ERROR: AADSTS70043: The refresh token has expired. Trace ID: 0a\nPlease run:\naz login\n";
        let told = "AADSTS70043: The refresh token has expired. Please run: az login: said by the Azure CLI, which gives no token";
        assert_eq!(refusal(printed), told);
    }

    #[test]
    fn a_token_is_read_with_its_end() {
        let now = Timestamp::from_second(1_000).unwrap();
        let token = read(br#"{"accessToken": "abc", "expires_on": 1600}"#, now).unwrap();
        assert!((Duration::from_secs(590)..=Duration::from_secs(600)).contains(&token.left()));
        for printed in [&b""[..], b"{}", br#"{"accessToken": "abc", "expiresOn": "2026-01-01"}"#, b"Please log in"] {
            assert!(read(printed, now).is_err());
        }
    }
}
