//! A job that is known to the cluster by its own OIDC token: no secret is kept anywhere.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use testbed::{Bed, address};

use super::stage::{CANARY, Door, Said, Stage, said};
use crate::parts::kube::until;
use crate::parts::tried;

/// By what the runner asks for a token.
const REQUEST: &str = "the-runners-own-4711";
/// Of whom tokens are.
const JOB: &str = "repo:acme/shop:environment:production";

/// Who issues tokens, to the job and to the API server.
struct Issuer {
    key: EcdsaKeyPair,
    url: String,
    /// All that a job was given.
    given: Mutex<Vec<String>>,
}

impl Issuer {
    fn new(bed: &Bed) -> Self {
        let key = PrivateKeyDer::from_pem_file(bed.pki("issuer-tokens.key")).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_der()).unwrap();
        Self { key, given: Mutex::default(), url: format!("https://{}:{}", address::HOST, address::ISSUER) }
    }

    fn token(&self, audience: &str) -> String {
        let now = Timestamp::now().as_second();
        let claims = json!({ "iss": self.url, "aud": audience, "sub": JOB, "iat": now, "nbf": now - 5, "exp": now + 300 });
        let text = [json!({ "alg": "ES256", "kid": "one", "typ": "JWT" }), claims]
            .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
            .join(".");
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature));
        self.given.lock().unwrap().push(token.clone());
        token
    }

    /// What stands at a path.
    fn answer(&self, head: &str) -> Option<Value> {
        let path = head.split(' ').nth(1)?;
        match path.split_once('?').unwrap_or((path, "")) {
            ("/.well-known/openid-configuration", _) => Some(json!({
                "issuer": self.url,
                "jwks_uri": format!("{}/jwks", self.url),
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            })),
            ("/jwks", _) => {
                // A point that is not compressed: 4, x, y (SEC 1, 2.3.3).
                let point = self.key.public_key().as_ref();
                let [x, y] = [&point[1..33], &point[33..]].map(|part| URL_SAFE_NO_PAD.encode(part));
                Some(json!({ "keys": [{
                    "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "one", "x": x, "y": y,
                }] }))
            }
            ("/token", query) if head.contains(&format!("Bearer {REQUEST}")) => {
                let audience = query.split('&').find_map(|part| part.strip_prefix("audience="))?;
                Some(json!({ "count": 1, "value": self.token(audience) }))
            }
            _ => None,
        }
    }
}

fn serve(listener: TcpListener, issuer: Arc<Issuer>, tls: Option<Arc<ServerConfig>>) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (issuer, tls) = (Arc::clone(&issuer), tls.clone());
            thread::spawn(move || {
                match tls {
                    Some(tls) => talk(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), &issuer),
                    None => talk(stream, &issuer),
                };
            });
        }
    });
}

/// One answer; who goes away in the middle gets none.
fn talk(mut stream: impl Read + Write, issuer: &Issuer) -> Option<()> {
    let mut reader = BufReader::new(&mut stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    // Names of headers may be written in any way.
    let answer = issuer.answer(&head.replace("authorization: bearer", "authorization: Bearer"));
    let status = if answer.is_some() { "200 OK" } else { "404 Not Found" };
    let body = answer.map_or_else(String::new, |body| body.to_string());
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).ok()?;
    stream.flush().ok()
}

/// A stage whose kubeconfig knows of nobody: neither a token nor a certificate stands in it.
struct Job {
    stage: Stage,
    issuer: Arc<Issuer>,
    /// Where the runner has tokens from.
    tokens: String,
}

impl Job {
    fn new(stage: Stage) -> Self {
        let issuer = Arc::new(Issuer::new(&stage.bed));
        let chain = CertificateDer::from_pem_file(stage.bed.pki("issuer.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(stage.bed.pki("issuer.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_no_client_auth().with_single_cert(vec![chain], key).unwrap();
        let public = TcpListener::bind(SocketAddr::from((address::HOST, address::ISSUER))).unwrap();
        serve(public, Arc::clone(&issuer), Some(Arc::new(tls)));
        let own = TcpListener::bind("127.0.0.1:0").unwrap();
        let tokens = format!("http://{}/token?api-version=2.0", own.local_addr().unwrap());
        serve(own, Arc::clone(&issuer), None);
        let job = Self { stage, issuer, tokens };
        job.kubeconfig("users: []");
        job
    }

    fn kubeconfig(&self, users: &str) {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters: [{{ name: c, cluster: {{ server: \"https://{}\", certificate-authority: {} }} }}]\n\
             contexts: [{{ name: c, context: {{ cluster: c, user: nobody }} }}]\n{users}\n",
            address::bed(address::API),
            self.stage.bed.pki("ca.crt").display(),
        );
        fs::write(self.stage.dir.path().join("kubeconfig"), text).unwrap();
    }

    fn settings(&self, oidc: &str) {
        self.stage.settings_with(CANARY, &format!("oidc: {{ {oidc} }}"));
        let file = self.stage.dir.path().join("tidegate.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let usual = self.stage.bed.kubeconfig("admin").display().to_string();
        fs::write(&file, text.replace(&usual, "kubeconfig")).unwrap();
    }

    /// A command in a step of a job, which may have a token or not.
    async fn run(&self, arguments: &[&str], may: bool) -> Said {
        let mut command = self.stage.command(arguments);
        command.env("GITHUB_ACTIONS", "true").env("RUNNER_TEMP", self.stage.dir.path());
        command.env_remove("ACTIONS_ID_TOKEN_REQUEST_URL").env_remove("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
        if may {
            command.env("ACTIONS_ID_TOKEN_REQUEST_URL", &self.tokens);
            command.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST);
        }
        said(command.spawn().unwrap(), arguments).await
    }

    /// Waits until the API server knows who issues tokens, for whom it looks every few seconds: then it knows who it is, who may nothing.
    async fn is_known(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let said = self.run(&["status"], true).await;
            if said.reason() == "forbidden" {
                assert!(said.out.contains(&format!("job:{JOB}")), "{}", said.out);
                return;
            }
            assert!(Instant::now() < end, "{}", said.out);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Gives the job every right in the namespace.
    async fn is_admitted(&self) {
        let (space, user) = (&self.stage.space, format!("job:{JOB}"));
        let role = ["create", "rolebinding", "job", "--clusterrole=cluster-admin"];
        space.kubectl(&[&role[..], &[&format!("--user={user}")]].concat());
        until("the right is in force", || {
            let mut ask = self.stage.bed.kubectl("admin");
            ask.args(["-n", &space.name, "auth", "can-i", "create", "deployments", "--as", &user]);
            tried(&mut ask).status.success().then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_deploys_by_its_own_token_and_nobody_sees_it() {
    let Some(stage) = Stage::open("a job by its own token", "job", Door::Service).await else { return };
    let job = Job::new(stage);
    job.stage.manifests("sample:1.0.0");
    job.settings("audience: testbed");
    let refused = job.run(&["deploy", "--version", "1.0.0"], false).await.exits(3);
    assert_eq!(refused.reason(), "no-id-token");
    assert!(refused.json()["error"]["hints"].to_string().contains("id-token: write"), "{}", refused.out);
    job.is_known().await;
    job.is_admitted().await;
    let deployed = job.run(&["deploy", "--version", "1.0.0"], true).await.exits(0);
    job.stage.is_as_written("1.0.0");
    let kept = ["get", "configmaps,secrets,leases,deployments,pods", "-o", "yaml"];
    let seen = deployed.err + &deployed.out + &job.stage.space.kubectl(&kept);
    let given = || job.issuer.given.lock().unwrap().clone();
    assert!(!given().is_empty() && given().iter().all(|token| !seen.contains(token)));
    // A step has the runner hide it, and says it for nothing else.
    let arguments = ["run", "--command", "status", "--environment", "production"];
    let step = job.run(&arguments, true).await.exits(0);
    let (masks, rest): (Vec<&str>, Vec<&str>) =
        step.err.lines().partition(|line| line.starts_with("::add-mask::"));
    let rest = rest.join("\n") + &step.out;
    let last = given().last().unwrap().clone();
    assert!(masks.contains(&format!("::add-mask::{last}").as_str()) && !rest.contains(&last), "{}", step.err);
    let left = fs::read_dir(job.stage.dir.path()).unwrap().flatten();
    assert_eq!(left.filter(|file| file.file_name().to_string_lossy().contains("oidc")).count(), 0);

    // For another audience the API server has no ears.
    job.settings("audience: another");
    assert_eq!(job.run(&["status"], true).await.exits(3).reason(), "unauthorized");
    // A program of the kubeconfig's user gets the path of the token.
    job.settings("audience: testbed, token-file: SHOP_TOKEN_FILE");
    let without = job.run(&["status"], true).await.exits(2);
    assert_eq!(without.reason(), "bad-kubeconfig");
    assert!(without.out.contains("SHOP_TOKEN_FILE is to tell a program"), "{}", without.out);
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": "'$(cat $SHOP_TOKEN_FILE)'" }
    });
    let users = json!([{ "name": "nobody", "user": { "exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "interactiveMode": "Never",
        "args": ["-c", format!("echo '{credential}'")],
    } } }]);
    job.kubeconfig(&format!("users: {users}"));
    assert_eq!(job.run(&["status"], true).await.exits(0).json()["live"], "1.0.0");
    // Outside of a workflow the kubeconfig's own user counts, whose program finds no token.
    assert_ne!(job.stage.run(&["status"]).await.code, 0);
}
