//! Keys and certificates of a control plane: one authority that signs servers and clients.
//!
//! The API server gets a certificate from it rather than making its own, because a client that stands on rustls refuses a
//! certificate that is its own authority.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::Error;
use super::error::At;

/// Signs the certificates of one control plane.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The file of its own certificate.
    pub(super) certificate: PathBuf,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The files of a certificate and its key.
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// The number of `DnType::OrganizationName`. rcgen keeps one value of each kind, and takes this for another kind.
const ORGANIZATION: [u64; 4] = [2, 5, 4, 10];

impl Authority {
    /// Makes one and writes its certificate (its key stays in memory).
    pub(super) fn create(folder: &Path) -> Result<Authority, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("kaito-tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = folder.join("ca.crt");
        write(&certificate, &params.self_signed(&key)?.pem())?;
        Ok(Authority { issuer: Issuer::new(params, key), certificate })
    }

    /// A certificate for a server on the loopback address.
    pub(super) fn server(&self, folder: &Path, name: &str) -> Result<Pair, Error> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "kubernetes.default.svc".to_owned()])?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        params.distinguished_name = named(name);
        self.sign(folder, name, params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a user in groups; `file` names its files.
    pub(super) fn client(&self, folder: &Path, file: &str, user: &str, groups: &[&str]) -> Result<Pair, Error> {
        let kinds = [DnType::OrganizationName, DnType::CustomDnType(ORGANIZATION.to_vec())];
        if groups.len() > kinds.len() {
            return Err(Error::Groups(groups.len()));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = named(user);
        for (kind, group) in kinds.into_iter().zip(groups) {
            params.distinguished_name.push(kind, *group);
        }
        self.sign(folder, file, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        folder: &Path,
        file: &str,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Pair, Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let pair = Pair { certificate: folder.join(format!("{file}.crt")), key: folder.join(format!("{file}.key")) };
        write(&pair.certificate, &certificate.pem())?;
        write(&pair.key, &key.serialize_pem())?;
        Ok(pair)
    }
}

/// The key pair that signs the tokens of ServiceAccounts: its `certificate` is the bare public key.
pub(super) fn service_accounts(folder: &Path) -> Result<Pair, Error> {
    let key = KeyPair::generate()?;
    let pair = Pair { certificate: folder.join("service-accounts.pub"), key: folder.join("service-accounts.key") };
    write(&pair.certificate, &key.public_key_pem())?;
    write(&pair.key, &key.serialize_pem())?;
    Ok(pair)
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).at(path.to_string_lossy())
}
