//! Whose certificates an HTTPS client trusts.

/// A client whose trust is the machine's, as the platform keeps it. Where the machine has no certificates at all, as in an image
/// with nothing but this program, it is Mozilla's list, which the program carries: the same roots that browsers ship.
///
/// A list that the environment names (`SSL_CERT_FILE`, `SSL_CERT_DIR`) is never replaced: one that cannot be read is an error.
///
/// # Errors
/// When the TLS library cannot be set up.
pub fn client(describe: impl Fn() -> reqwest::ClientBuilder) -> Result<reqwest::Client, reqwest::Error> {
    describe().build().or_else(|error| {
        if ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some()) {
            return Err(error);
        }
        carried(describe())
    })
}

fn carried(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, reqwest::Error> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let roots = roots.map(|root| reqwest::Certificate::from_der(root)).collect::<Result<Vec<_>, _>>()?;
    builder.tls_certs_only(roots).build()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_that_is_carried_is_enough_for_a_client() {
        assert!(webpki_root_certs::TLS_SERVER_ROOT_CERTS.len() > 50);
        super::carried(reqwest::Client::builder()).unwrap();
    }
}
