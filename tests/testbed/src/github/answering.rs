//! From a request to its answer: who asks, what it costs, whether it is as described, what it does.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::api::{Call, Endpoint, endpoint};
use super::contract::{Contract, Finding, Operation, Part, PathParameters, Said, Side};
use super::faults::{Fault, Faults};
use super::ids;
use super::limits::Limits;
use super::log::Exchange;
use super::refusals;
use super::reply::{Body, Outcome, Refusal, Reply, not_found};
use super::tokens::Token;
use super::world::World;

/// A request as it came over the line.
pub(crate) struct Incoming {
    pub(crate) method: String,
    /// Still percent-encoded.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// An answer and how it goes out.
pub(crate) enum Delivery {
    Now(Reply),
    After(Duration, Reply),
    Cut,
}

/// Everything that changes while a GitHub is served.
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) log: Vec<Exchange>,
    pub(crate) findings: Vec<Finding>,
    /// Whether a test has seen the findings that there are.
    pub(crate) looked: bool,
}

/// What the description says of a request.
struct Seen<'a> {
    operation: Option<(&'a Operation, PathParameters)>,
    body: Value,
    /// What the request is refused with when it gets so far.
    refusal: Option<Reply>,
}

impl Incoming {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn secret(&self) -> Option<&str> {
        let said = self.header("authorization")?;
        let (scheme, secret) = said.split_once(' ')?;
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        known.then_some(secret.trim())
    }
}

impl State {
    pub(crate) fn new(world: World) -> Self {
        Self {
            limits: Limits::new(world.hourly_limit),
            world,
            faults: Faults::default(),
            log: Vec::new(),
            findings: Vec::new(),
            looked: false,
        }
    }

    /// Acts on a request and says how its answer goes out.
    pub(crate) fn serve(&mut self, contract: &Contract, base: &str, incoming: &Incoming) -> Delivery {
        let seen = self.look(contract, incoming);
        let id = seen.operation.as_ref().map(|(operation, _)| operation.id.as_str());
        let fault = self.faults.meet(&incoming.method, &incoming.path, id);
        let mut exchange = self.exchange(incoming, &seen, fault.clone());
        let (described, mut reply) = match fault.as_ref().and_then(Fault::answer) {
            Some(reply) => (matches!(fault, Some(Fault::Answer { .. })), reply),
            None => (true, self.answer(base, incoming, &seen).unwrap_or_else(|refusal| *refusal)),
        };
        if let (true, Some((operation, _))) = (described, &seen.operation) {
            let said = match &reply.body {
                Body::Nothing => Said::Nothing,
                Body::Json(body) => Said::Json(body),
                Body::Raw(..) => Said::Raw,
            };
            self.note(contract.answer(operation, reply.status, said));
        }
        self.put_etag(incoming, &mut reply);
        self.put_limits(incoming, &mut reply);
        let cut = matches!(fault, Some(Fault::CutConnection | Fault::CutAfterAct));
        exchange.status = (!cut).then_some(reply.status);
        self.log.push(exchange);
        match fault {
            _ if cut => Delivery::Cut,
            Some(Fault::Slow(wait)) => Delivery::After(wait, reply),
            _ => Delivery::Now(reply),
        }
    }

    /// Holds a request against the description, whatever becomes of it.
    fn look<'a>(&mut self, contract: &'a Contract, incoming: &Incoming) -> Seen<'a> {
        let Some((operation, path)) = contract.operation(&incoming.method, &incoming.path) else {
            let asked = format!("{} {}", incoming.method, incoming.path);
            self.note(vec![refusals::no_operation(&asked, "There is no such operation.", "/paths")]);
            let refusal = Some(Reply::error(404, "Not Found"));
            return Seen { operation: None, body: Value::Null, refusal };
        };
        let sent = (!incoming.body.is_empty()).then(|| serde_json::from_slice::<Value>(&incoming.body));
        let (body, broken) = match sent.transpose() {
            Ok(body) => (body, None),
            Err(error) => (None, Some(refusals::not_json(operation, &error))),
        };
        let mut findings = contract.request(operation, &path, &incoming.query, body.as_ref());
        let refusal = match broken {
            Some(finding) => {
                findings = vec![finding];
                Some(Reply::error(400, "Problems parsing JSON"))
            }
            None => refusals::refusal(operation, &findings),
        };
        if endpoint(&operation.id).is_none() {
            let message = "The testbed does not act this operation out.";
            findings.push(refusals::no_operation(&operation.id, message, &operation.pointer));
        }
        self.note(findings);
        Seen { operation: Some((operation, path)), body: body.unwrap_or(Value::Null), refusal }
    }

    fn exchange(&self, incoming: &Incoming, seen: &Seen<'_>, fault: Option<Fault>) -> Exchange {
        let token = incoming.secret();
        let mut headers = incoming.headers.clone();
        headers.remove("authorization");
        Exchange {
            at: ids::now(),
            method: incoming.method.clone(),
            path: incoming.path.clone(),
            query: incoming.query.clone(),
            headers,
            body: Some(seen.body.clone()).filter(|body| !body.is_null()),
            token: token.map(str::to_owned),
            login: token.and_then(|it| self.world.bearer(it)).map(|token| token.login.clone()),
            operation: seen.operation.as_ref().map(|(operation, _)| operation.id.clone()),
            fault,
            status: None,
        }
    }

    fn note(&mut self, findings: Vec<Finding>) {
        // New ones have not been looked at, whatever was looked at before.
        self.looked &= findings.is_empty();
        self.findings.extend(findings);
    }

    fn answer(&mut self, base: &str, incoming: &Incoming, seen: &Seen<'_>) -> Outcome {
        refusals::by_headers(&incoming.headers)?;
        let Some(secret) = incoming.secret() else {
            return Err(Box::new(Reply::error(401, "Requires authentication")));
        };
        let Some(token) = self.world.bearer(secret).cloned() else {
            return Err(Box::new(Reply::error(401, "Bad credentials")));
        };
        let free = seen.operation.as_ref().is_some_and(|(operation, _)| operation.id == "rate-limit/get");
        if !free && !self.limits.take(secret) {
            return Err(refusals::limit_exceeded(&token, self.world.limit_status));
        }
        let Some((operation, path)) = &seen.operation else { return Err(not_found()) };
        let Some(endpoint) = endpoint(&operation.id) else {
            return Err(Box::new(Reply::error(501, "The testbed does not act this operation out.")));
        };
        self.permitted(&token, endpoint, path, &incoming.method)?;
        if let Some(refusal) = &seen.refusal {
            return Err(Box::new(refusal.clone()));
        }
        let mut call = Call {
            budget: self.limits.of(secret),
            world: &mut self.world,
            base,
            token: &token,
            raw_path: &incoming.path,
            path,
            query: &incoming.query,
            body: &seen.body,
            accept: incoming.header("accept").unwrap_or("*/*"),
        };
        (endpoint.act)(&mut call)
    }

    /// Who may not see a repository is told that it is not there; who may see it, what is missing.
    fn permitted(
        &self,
        token: &Token,
        endpoint: &Endpoint,
        path: &PathParameters,
        method: &str,
    ) -> Result<(), Refusal> {
        let name = path.get("owner").zip(path.get("repo")).map(|(owner, name)| format!("{owner}/{name}"));
        let reached = match &name {
            None => true,
            Some(name) => {
                let repository = self.world.find(name).ok_or_else(not_found)?;
                let reached = token.reaches(name);
                if repository.private && !reached {
                    return Err(not_found());
                }
                // What everybody can read needs no reach.
                reached || method == "GET"
            }
        };
        if reached && token.meets(endpoint.needs) {
            return Ok(());
        }
        Err(refusals::not_accessible(token, endpoint.needs))
    }

    /// Answers that were not changed since the client last saw them cost nothing.
    fn put_etag(&mut self, incoming: &Incoming, reply: &mut Reply) {
        let Body::Json(body) = &reply.body else { return };
        if incoming.method != "GET" || reply.status != 200 {
            return;
        }
        let etag = format!("W/\"{:016x}\"", ids::hash(&body.to_string()));
        let known = incoming.header("if-none-match").is_some_and(|it| it.split(", ").any(|it| it == etag));
        if known {
            *reply = Reply { status: 304, headers: Vec::new(), body: Body::Nothing };
            if let Some(secret) = incoming.secret() {
                self.limits.give_back(secret);
            }
        }
        reply.headers.push(("etag", etag));
    }

    fn put_limits(&mut self, incoming: &Incoming, reply: &mut Reply) {
        let budget = self.limits.of(incoming.secret().unwrap_or_default());
        reply.headers.extend([
            ("x-ratelimit-limit", budget.limit.to_string()),
            ("x-ratelimit-remaining", budget.remaining.to_string()),
            ("x-ratelimit-used", budget.used().to_string()),
            ("x-ratelimit-reset", budget.reset.to_string()),
            ("x-ratelimit-resource", "core".to_owned()),
            ("x-github-request-id", format!("{:X}", ids::next())),
            ("x-github-media-type", "github.v3; format=json".to_owned()),
        ]);
    }
}

impl Finding {
    pub(super) fn of_request(operation: &str, part: Part, schema: &str, message: String) -> Self {
        Self {
            operation: operation.to_owned(),
            side: Side::Request,
            part,
            instance: String::new(),
            schema: format!("#{schema}"),
            message,
        }
    }
}
