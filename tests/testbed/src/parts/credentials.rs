//! Certificates and tokens, made anew for each start of the testbed.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};

use super::{folder, write};
use crate::{BedError, address, home};

/// Who can speak to the API server: a name, its user, its groups. The last three have no right but what a test binds to them.
const IDENTITIES: [(&str, &str, &str); 12] = [
    ("admin", "admin", "system:masters"),
    ("controller-manager", "system:kube-controller-manager", ""),
    ("scheduler", "system:kube-scheduler", ""),
    ("proxy", "system:kube-proxy", ""),
    ("node1", "system:node:node1", "system:nodes"),
    ("node2", "system:node:node2", "system:nodes"),
    ("node3", "system:node:node3", "system:nodes"),
    ("gateway", "testbed:gateway", "system:masters"),
    ("kwok", "testbed:kwok", "system:masters"),
    ("deployer", "deployer", ""),
    ("reader", "reader", ""),
    ("stranger", "stranger", ""),
];

/// The issuer of the testbed's certificates, and the folder in which all of it lies.
#[derive(Debug)]
pub(crate) struct Credentials {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Credentials {
    /// Makes the authority, the certificates of the control plane, the tokens and a kubeconfig for each identity.
    pub(crate) fn make() -> Result<Self, BedError> {
        folder("pki")?;
        folder("kubeconfig")?;
        folder("log")?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named("tidegate testbed", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().map_err(|e| failed(&e))?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(|e| failed(&e))?;
        write("pki/ca.crt", &issuer.pem())?;
        let made = Self { issuer };
        made.certificate("apiserver", "kube-apiserver", None, &made.api_server_names())?;
        made.certificate("apiserver-kubelet", "kube-apiserver-kubelet", Some("system:masters"), &[])?;
        let accounts = KeyPair::generate().map_err(|e| failed(&e))?;
        write("pki/service-accounts.key", &accounts.serialize_pem())?;
        write("pki/service-accounts.pub", &accounts.public_key_pem())?;
        made.identities()?;
        made.issuer_of_tokens()?;
        Ok(made)
    }

    /// A certificate for client and server, with its key, as `pki/NAME.crt` and `pki/NAME.key`.
    pub(crate) fn certificate(
        &self,
        file: &str,
        common_name: &str,
        organisation: Option<&str>,
        names: &[String],
    ) -> Result<(), BedError> {
        let mut params = CertificateParams::new(names).map_err(|e| failed(&e))?;
        params.distinguished_name = named(common_name, organisation);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(|e| failed(&e))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|e| failed(&e))?;
        write(&format!("pki/{file}.crt"), &certificate.pem())?;
        write(&format!("pki/{file}.key"), &key.serialize_pem())?;
        Ok(())
    }

    fn api_server_names(&self) -> Vec<String> {
        let addresses = [address::BED, address::KUBERNETES_SERVICE].map(|ip| IpAddr::V4(ip).to_string());
        let names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"];
        addresses.into_iter().chain(names.map(str::to_owned)).collect()
    }

    /// Who issues tokens that the API server takes besides: a test, which serves what `pki/issuer.crt` is for, and signs with
    /// `pki/issuer-tokens.key`. Its audience is `testbed`, and who a token is of stands in `sub`.
    fn issuer_of_tokens(&self) -> Result<(), BedError> {
        self.certificate("issuer", "issuer", None, &[address::HOST.to_string()])?;
        let key = KeyPair::generate().map_err(|e| failed(&e))?;
        write("pki/issuer-tokens.key", &key.serialize_pem())?;
        let authority: String = self.issuer.pem().lines().map(|line| format!("      {line}\n")).collect();
        let text = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    \
             url: https://{}:{}\n    audiences: [testbed]\n    certificateAuthority: |\n{authority}  \
             claimMappings: {{ username: {{ claim: sub, prefix: \"job:\" }} }}\n",
            address::HOST,
            address::ISSUER
        );
        write("pki/authentication.yaml", &text)?;
        Ok(())
    }

    fn identities(&self) -> Result<(), BedError> {
        let mut tokens = String::new();
        let authority = home::run("pki/ca.crt");
        for (name, user, groups) in IDENTITIES {
            let token = random()?;
            tokens.push_str(&format!("{token},{user},{name},\"{groups}\"\n"));
            let server = address::bed(address::API);
            write(
                &format!("kubeconfig/{name}"),
                &format!(
                    "apiVersion: v1\nkind: Config\ncurrent-context: testbed\n\
                     clusters:\n- name: testbed\n  cluster:\n    server: https://{server}\n    \
                     certificate-authority: {}\n\
                     users:\n- name: {name}\n  user:\n    token: {token}\n\
                     contexts:\n- name: testbed\n  context: {{ cluster: testbed, user: {name} }}\n",
                    authority.display()
                ),
            )?;
        }
        write("pki/tokens.csv", &tokens)?;
        Ok(())
    }
}

fn named(common_name: &str, organisation: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organisation) = organisation {
        name.push(DnType::OrganizationName, organisation);
    }
    name
}

/// 128 bits from the system, in hexadecimal digits.
pub(super) fn random() -> Result<String, BedError> {
    let mut bytes = [0; 16];
    let read = std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    read.map_err(|e| BedError::file("read", "/dev/urandom", &e))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn failed(error: &rcgen::Error) -> BedError {
    BedError::new(format!("cannot make a certificate: {error}"))
}
