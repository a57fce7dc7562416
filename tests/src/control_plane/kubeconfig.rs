//! A kubeconfig for a user of a control plane.

use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use super::certificates::Authority;
use super::error::At;

/// Who may do everything.
pub(super) const ADMIN: &str = "admin";

/// Makes a client certificate and a kubeconfig that uses it. The admin's is `kubeconfig`, another's `kubeconfig-NAME`.
pub(super) fn write(
    folder: &Path,
    server: &str,
    authority: &Authority,
    user: &str,
    groups: &[&str],
) -> Result<PathBuf, Error> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let file: String = user.chars().map(plain).collect();
    let pair = authority.client(folder, &format!("user-{file}"), user, groups)?;
    let path = folder.join(if user == ADMIN { "kubeconfig".to_owned() } else { format!("kubeconfig-{file}") });
    let (ca, certificate, key) = (&authority.certificate, &pair.certificate, &pair.key);
    // JSON strings are YAML strings.
    let text = format!(
        r#"apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: {server:?}, certificate-authority: {ca:?}}}}}]
users: [{{name: user, user: {{client-certificate: {certificate:?}, client-key: {key:?}}}}}]
contexts: [{{name: test, context: {{cluster: test, user: user}}}}]
current-context: test
"#
    );
    fs::write(&path, text).at(path.to_string_lossy())?;
    Ok(path)
}
