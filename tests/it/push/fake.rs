//! A registry in memory, with faults. It keeps what arrives byte by byte, so that it knows how far a broken upload had come.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tidegate::registry::digest_of;
use tokio::net::TcpListener;

/// What is asked of the registry.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: String,
}

/// What a fault answers instead: status, headers, body.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, String);

type Fault = dyn Fn(&Asked) -> Option<Answer> + Send + Sync;

/// How the registry behaves.
#[derive(Clone)]
pub(crate) struct Manner {
    /// Answers in the registry's place where it wants to.
    pub(crate) fault: Arc<Fault>,
    /// Whether it tells how far an upload has come.
    pub(crate) tells_range: bool,
    /// Whether it mounts.
    pub(crate) mounts: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { fault: Arc::new(|_| None), tells_range: true, mounts: true }
    }
}

/// What it has.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Blobs by repository and digest.
    pub(crate) blobs: BTreeMap<(String, String), Bytes>,
    /// Manifests by repository and digest, with their media type.
    pub(crate) manifests: BTreeMap<(String, String), (String, Bytes)>,
    /// Digests by repository and tag.
    pub(crate) tags: BTreeMap<(String, String), String>,
    uploads: BTreeMap<u64, Vec<u8>>,
    next: u64,
    /// Each request: method and path.
    pub(crate) asked: Vec<String>,
}

/// A registry on the loopback.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    pub(crate) kept: Arc<Mutex<Kept>>,
    manner: Manner,
}

impl Fake {
    pub(crate) async fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self { address: listener.local_addr().unwrap(), kept: Arc::default(), manner };
        let serving = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let fake = serving.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let fake = fake.clone();
                    async move { Ok::<_, Infallible>(fake.respond(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        fake
    }

    /// How often something was asked whose line begins so.
    pub(crate) fn count(&self, begin: &str) -> usize {
        self.kept.lock().unwrap().asked.iter().filter(|line| line.starts_with(begin)).count()
    }

    /// Whether a tag names an image of which everything is there, and is what its digest says.
    pub(crate) fn is_whole(&self, repository: &str, tag: &str) -> bool {
        let kept = self.kept.lock().unwrap();
        let Some(root) = kept.tags.get(&(repository.to_owned(), tag.to_owned())) else { return false };
        let mut open = vec![root.clone()];
        while let Some(digest) = open.pop() {
            let key = (repository.to_owned(), digest.clone());
            let Some((_, bytes)) = kept.manifests.get(&key) else { return false };
            if digest_of(bytes) != digest {
                return false;
            }
            let read: Value = serde_json::from_slice(bytes).unwrap();
            let list = |key: &str| read[key].as_array().cloned().unwrap_or_default();
            let digest = |value: &Value| value["digest"].as_str().unwrap().to_owned();
            open.extend(list("manifests").iter().map(digest));
            for named in list("layers").iter().chain(read.get("config")) {
                let blob = kept.blobs.get(&(repository.to_owned(), digest(named)));
                if blob.is_none_or(|blob| digest_of(blob) != digest(named)) {
                    return false;
                }
            }
        }
        true
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, mut body) = request.into_parts();
        let header = parts.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let asked = Asked {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            authorization: header.unwrap_or_default(),
        };
        self.kept.lock().unwrap().asked.push(format!("{} {}", asked.method, asked.path));
        if let Some(answer) = (self.manner.fault)(&asked) {
            // A registry that refuses does read on: else the other side might see a broken connection only.
            while let Some(Ok(_)) = body.frame().await {}
            return of(answer);
        }
        of(self.answer(&asked, &parts.headers, body).await)
    }

    async fn answer(&self, asked: &Asked, headers: &HeaderMap, body: Incoming) -> Answer {
        let path = asked.path.strip_prefix("/v2/").unwrap_or_default();
        if let Some((repository, upload)) = path.split_once("/blobs/uploads/") {
            return self.upload(asked, headers, repository, upload, body).await;
        }
        let mut kept = self.kept.lock().unwrap();
        if let Some((repository, digest)) = path.split_once("/blobs/") {
            return match kept.blobs.get(&(repository.to_owned(), digest.to_owned())) {
                Some(blob) => part(blob, headers),
                None => missing("BLOB_UNKNOWN"),
            };
        }
        let Some((repository, version)) = path.split_once("/manifests/") else {
            return missing("NAME_UNKNOWN");
        };
        drop(kept);
        if asked.method == Method::PUT {
            let Ok(bytes) = body.collect().await else { return (400, Vec::new(), String::new()) };
            return self.put_manifest(repository, version, headers, bytes.to_bytes());
        }
        kept = self.kept.lock().unwrap();
        let key = (repository.to_owned(), version.to_owned());
        let digest = kept.tags.get(&key).cloned().unwrap_or_else(|| version.to_owned());
        match kept.manifests.get(&(repository.to_owned(), digest.clone())) {
            Some((kind, bytes)) => {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                (200, vec![("content-type", kind.clone()), ("docker-content-digest", digest)], text)
            }
            None => missing("MANIFEST_UNKNOWN"),
        }
    }

    /// A manifest is taken when all that it names is there.
    fn put_manifest(&self, repository: &str, version: &str, headers: &HeaderMap, bytes: Bytes) -> Answer {
        let mut kept = self.kept.lock().unwrap();
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        let named = |key: &str| -> BTreeSet<String> {
            let all = read[key].as_array().cloned().unwrap_or_default();
            all.iter().map(|one| one["digest"].as_str().unwrap().to_owned()).collect()
        };
        let has_blob = |digest: &String| kept.blobs.contains_key(&(repository.to_owned(), digest.clone()));
        let has_manifest =
            |digest: &String| kept.manifests.contains_key(&(repository.to_owned(), digest.clone()));
        if !named("layers").iter().all(has_blob) || !named("manifests").iter().all(has_manifest) {
            return (
                400,
                Vec::new(),
                r#"{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown"}]}"#.into(),
            );
        }
        let digest = digest_of(&bytes);
        let kind = headers["content-type"].to_str().unwrap().to_owned();
        kept.manifests.insert((repository.to_owned(), digest.clone()), (kind, bytes));
        if !version.contains(':') {
            kept.tags.insert((repository.to_owned(), version.to_owned()), digest.clone());
        }
        (201, vec![("docker-content-digest", digest)], String::new())
    }

    async fn upload(
        &self,
        asked: &Asked,
        headers: &HeaderMap,
        repository: &str,
        upload: &str,
        body: Incoming,
    ) -> Answer {
        if asked.method == Method::POST {
            return self.begin(asked, repository);
        }
        let Ok(number) = upload.parse::<u64>() else { return missing("BLOB_UPLOAD_UNKNOWN") };
        let length = self.kept.lock().unwrap().uploads.get(&number).map(Vec::len);
        let Some(length) = length else { return missing("BLOB_UPLOAD_UNKNOWN") };
        let place = |length: usize| {
            let range = format!("0-{}", length.saturating_sub(1));
            vec![("location", format!("/v2/{repository}/blobs/uploads/{number}")), ("range", range)]
        };
        if asked.method == Method::GET {
            let told = if self.manner.tells_range { 204 } else { 400 };
            return (told, place(length), String::new());
        }
        let from = headers.get("content-range").map(|value| value.to_str().unwrap().to_owned());
        let from = from.and_then(|range| range.split_once('-')?.0.parse::<usize>().ok());
        if from.unwrap_or(length) != length {
            return (416, place(length), String::new());
        }
        // A registry that does not tell how far it is loses what it has when a stream breaks.
        if !self.take(number, body).await {
            return (499, Vec::new(), String::new());
        }
        let mut kept = self.kept.lock().unwrap();
        if asked.method == Method::PATCH {
            return (202, place(kept.uploads[&number].len()), String::new());
        }
        let digest = asked.query.split('&').find_map(|pair| pair.strip_prefix("digest=")).unwrap();
        let digest = digest.replace("%3A", ":");
        let bytes = Bytes::from(kept.uploads.remove(&number).unwrap());
        if digest_of(&bytes) != digest {
            return (
                400,
                Vec::new(),
                r#"{"errors": [{"code": "DIGEST_INVALID", "message": "digest invalid"}]}"#.into(),
            );
        }
        kept.blobs.insert((repository.to_owned(), digest.clone()), bytes);
        (201, vec![("docker-content-digest", digest)], String::new())
    }

    fn begin(&self, asked: &Asked, repository: &str) -> Answer {
        let mut kept = self.kept.lock().unwrap();
        let of = |name: &str| {
            asked.query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned))
        };
        if let (Some(digest), Some(from), true) = (of("mount"), of("from"), self.manner.mounts)
            && let Some(blob) = kept.blobs.get(&(from, digest.clone())).cloned()
        {
            kept.blobs.insert((repository.to_owned(), digest.clone()), blob);
            return (201, vec![("docker-content-digest", digest)], String::new());
        }
        kept.next += 1;
        let number = kept.next;
        kept.uploads.insert(number, Vec::new());
        (202, vec![("location", format!("/v2/{repository}/blobs/uploads/{number}"))], String::new())
    }

    /// Takes the bytes of a body one part after the other; whether all of it came.
    async fn take(&self, number: u64, mut body: Incoming) -> bool {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            if let (Some(upload), Ok(data)) =
                (self.kept.lock().unwrap().uploads.get_mut(&number), frame.into_data())
            {
                upload.extend_from_slice(&data);
            }
        }
        true
    }
}

fn of((status, headers, body): Answer) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(body))).unwrap()
}

fn missing(code: &str) -> Answer {
    (404, Vec::new(), format!(r#"{{"errors": [{{"code": "{code}", "message": "unknown"}}]}}"#))
}

/// A blob, or the rest of it. The blobs of these tests are text, as the answers are.
fn part(blob: &Bytes, headers: &HeaderMap) -> Answer {
    let from = headers
        .get("range")
        .and_then(|value| value.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let rest = |from: usize| String::from_utf8(blob[from..].to_vec()).unwrap();
    match from {
        Some(from) => (206, Vec::new(), rest(from)),
        None => (200, Vec::new(), rest(0)),
    }
}
