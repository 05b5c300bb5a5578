//! The keys and certificates of one server under test.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

/// Writes `ca`, `server`, `admin` and `kubelet-client` (`.crt`, `.key`) and `sa.key`, `sa.pub` into a directory.
pub fn write(directory: &Path) -> Result<()> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    authority.distinguished_name.push(DnType::CommonName, "bench-ca");
    let key = KeyPair::generate()?;
    std::fs::write(directory.join("ca.crt"), authority.self_signed(&key)?.pem())?;
    std::fs::write(directory.join("ca.key"), key.serialize_pem())?;
    let issuer = Issuer::new(authority, key);
    for (name, common_name, group) in [
        ("server", "kube-apiserver", None),
        ("admin", "admin", Some("system:masters")),
        ("kubelet-client", "kube-apiserver-kubelet-client", Some("system:masters")),
        ("scheduler", "system:kube-scheduler", None),
    ] {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "kubernetes".to_owned()])?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        params.distinguished_name.push(DnType::CommonName, common_name);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        std::fs::write(directory.join(format!("{name}.crt")), params.signed_by(&key, &issuer)?.pem())?;
        std::fs::write(directory.join(format!("{name}.key")), key.serialize_pem())?;
    }
    let signing = KeyPair::generate()?;
    std::fs::write(directory.join("sa.key"), signing.serialize_pem())?;
    std::fs::write(directory.join("sa.pub"), signing.public_key_pem())?;
    Ok(())
}
