//! Who is told of outcomes, by the real command over real connections.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::kit::{App, Config, Said, tells};
use super::servers::{Certificate, Heard, Manner, http, smtp};

const MARK: &str = "moonlight-4711-secret";

/// An app that tells these, with a release that the first deploy brings live.
fn app(notify: &str) -> App {
    let more = format!("    notify:\n{notify}");
    App::new(&Config { more, ..Config::default() })
}

fn deploy(app: &App) -> Said {
    app.run(&["deploy", "--version", "v1"]).exits(0)
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\n\n").or(request.split_once("\r\n\n")).unwrap().1).unwrap()
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let line = |line: &'a str| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name));
    request.lines().find_map(line).unwrap_or_else(|| panic!("no {name} in {request}")).1.trim()
}

fn only(heard: &Heard) -> String {
    let all = heard.all();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

#[test]
fn a_webhook_slack_and_teams_are_told_by_their_own_forms() {
    let ((hook, at_hook), (slack, at_slack), (teams, at_teams)) =
        (http(&["204 No Content"], None), http(&["200 OK\n\nok"], None), http(&["202 Accepted"], None));
    let mut app = app(
        "      - { webhook: { url: $HOOK, secret: $KEY }, text: 'it is {outcome}: {version}' }\n      - { slack: $SLACK }\n      - { teams: $TEAMS, when: [promoted] }\n      - { slack: $SLACK, when: [rolled-back, failed, stuck, paused] }\n",
    );
    app.variable("HOOK", &format!("http://127.0.0.1:{hook}/{MARK}"));
    app.variable("SLACK", &format!("http://127.0.0.1:{slack}/{MARK}"));
    app.variable("TEAMS", &format!("http://127.0.0.1:{teams}/{MARK}"));
    app.variable("KEY", "a key");
    app.variable("RUST_LOG", "trace");
    let said = deploy(&app);
    assert!(!said.err.contains(MARK) && !said.out.contains(MARK), "{}", said.err);
    let request = only(&at_hook);
    let told = body(&request);
    assert_eq!(told["type"], "rollout.promoted");
    assert_eq!((&told["data"]["app"], &told["data"]["text"]), (&"shop".into(), &"it is promoted: v1".into()));
    let signed =
        format!("{}.{}.{told}", header(&request, "webhook-id"), header(&request, "webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"a key").unwrap();
    mac.update(signed.as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(header(&request, "webhook-signature"), signature);
    let blocks = body(&only(&at_slack));
    assert_eq!(blocks["blocks"][0]["text"]["text"], "✅ shop v1 is live in dev");
    let card = body(&only(&at_teams));
    assert_eq!(card["attachments"][0]["content"]["body"][0]["inlines"][0]["text"], "shop v1 is live in dev");
}

#[test]
fn what_may_pass_is_tried_again_and_what_may_not_is_told_once() {
    let busy = "429 Too Many Requests\nretry-after: 0";
    let (soon, at_soon) = http(&["503 Service Unavailable", busy, "200 OK"], None);
    let (never, at_never) = http(&["500 Internal Server Error\n\nbroken"], None);
    let (wrong, at_wrong) = http(&["404 Not Found\n\nno_service"], None);
    let (led, at_led) = http(&["302 Found\nlocation: http://127.0.0.1:1/"], None);
    let mut app = app(
        "      - { webhook: { url: $SOON } }\n      - { slack: $NEVER }\n      - { slack: $WRONG }\n      - { teams: $LED }\n      - { slack: $ABSENT }\n      - { slack: $NO_URL }\n",
    );
    for (name, port) in [("SOON", soon), ("NEVER", never), ("WRONG", wrong), ("LED", led)] {
        app.variable(name, &format!("http://127.0.0.1:{port}/{MARK}"));
    }
    app.variable("NO_URL", MARK);
    let said = deploy(&app);
    assert_eq!(at_soon.all().len(), 3);
    let ids: Vec<String> = at_soon.all().iter().map(|it| header(it, "webhook-id").to_owned()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "each try has the identity of the first: {ids:?}");
    assert_eq!((at_never.all().len(), at_wrong.all().len(), at_led.all().len()), (4, 1, 1));
    tells(
        &said.err,
        &[
            "Slack ($NEVER) was not told of the outcome: it answered 500 Internal Server Error: broken, 4 times",
            "Slack ($WRONG) was not told of the outcome: it answered 404 Not Found: no_service",
            "Teams ($LED) was not told of the outcome: it answered 302 Found, and a redirect is not followed",
            "Slack ($ABSENT) is not told of outcomes: there is no ABSENT in the environment",
            "Slack ($NO_URL) was not told of the outcome: its address is not one of the web",
        ],
    );
    assert!(!said.err.contains("$SOON") && !said.err.contains(MARK), "{}", said.err);
    app.serves("v1");
}

#[test]
fn a_server_that_hangs_or_has_a_wrong_certificate_harms_nothing() {
    let (hangs, at_hangs) = http(&[""], None);
    let (strange, at_strange) = http(&["200 OK"], Some(Certificate::new()));
    let mut app = app("      - { slack: $HANGS }\n      - { teams: $STRANGE }\n");
    app.variable("HANGS", &format!("http://127.0.0.1:{hangs}/"));
    app.variable("STRANGE", &format!("https://localhost:{strange}/"));
    let deploy = app.start(&["deploy", "--version", "v1"]);
    // The rollout is over, and the lock is free, while the message still waits.
    deploy.until("v1 is now the good release");
    let begun = std::time::Instant::now();
    while app.json(&["status"])["locked_by"].is_string() {
        assert!(begun.elapsed().as_secs() < 10, "the lock is held for a notification");
    }
    let said = deploy.end().exits(0);
    assert!(!at_hangs.all().is_empty() && at_strange.all().is_empty());
    tells(
        &said.err,
        &[
            "Slack ($HANGS) was not told of the outcome: there was no answer in 20 s",
            "Teams ($STRANGE) was not told of the outcome: its certificate is not trusted",
        ],
    );
    app.serves("v1");
}

#[test]
fn letters_go_by_tls_with_a_login_or_not_at_all() {
    let (trusted, other) = (Certificate::new(), Certificate::new());
    let pem = trusted.pem.clone();
    let (port, letters) = smtp(Manner::StartTls, trusted);
    let (strange, at_strange) = smtp(Manner::Tls, other);
    let (bare, at_bare) = smtp(Manner::Plain, Certificate::new());
    let login = "user: ada, password: $PASSWORD, from: Deploys <d@shop.example>, to: [ops@shop.example, ada@shop.example]";
    let mut app = app(&format!(
        "      - email: {{ server: localhost, port: {port}, {login} }}\n      - email: {{ server: localhost, port: {strange}, security: tls, {login} }}\n      - email: {{ server: localhost, port: {bare}, {login} }}\n"
    ));
    std::fs::write(app.path("trusted.pem"), pem).unwrap();
    app.variable("SSL_CERT_FILE", &app.path("trusted.pem").display().to_string());
    app.variable("PASSWORD", MARK);
    app.variable("RUST_LOG", "trace");
    let said = deploy(&app);
    let letter = only(&letters);
    tells(
        &letter,
        &[
            "login true",
            "MAIL FROM:<d@shop.example>",
            "RCPT TO:<ops@shop.example>",
            "RCPT TO:<ada@shop.example>",
            "Subject: [promoted] shop v1 is live in dev",
            "Content-Type: text/plain",
            "shop v1 is live in dev",
        ],
    );
    assert_eq!((at_strange.all().len(), at_bare.all().len()), (0, 0));
    tells(
        &said.err,
        &[
            &format!(
                "the mail server (localhost:{strange}) was not told of the outcome: its certificate is not trusted"
            ),
            &format!("the mail server (localhost:{bare}) was not told of the outcome: "),
        ],
    );
    assert!(!said.err.contains(MARK), "{}", said.err);
}

#[test]
fn letters_go_by_tls_from_the_start_and_a_refusal_is_told_in_the_servers_words() {
    let certificate = Certificate::new();
    let pem = certificate.pem.clone();
    let (port, letters) = smtp(Manner::Tls, certificate);
    let (refusing, at_refusing) = smtp(Manner::Refusing, Certificate::new());
    let people = "from: d@shop.example, to: [ops@shop.example]";
    let mut app = app(&format!(
        "      - email: {{ server: localhost, port: {port}, security: tls, user: ada, password: $PASSWORD, {people} }}\n      - email: {{ server: localhost, port: {refusing}, security: none, {people} }}\n"
    ));
    std::fs::write(app.path("trusted.pem"), pem).unwrap();
    app.variable("SSL_CERT_FILE", &app.path("trusted.pem").display().to_string());
    app.variable("PASSWORD", MARK);
    let said = deploy(&app);
    tells(&only(&letters), &["login true", "Subject: [promoted] shop v1 is live in dev"]);
    assert!(at_refusing.all().is_empty());
    tells(
        &said.err,
        &[
            &format!("the mail server (localhost:{refusing}) was not told of the outcome: it answered 550"),
            "no such mailbox",
        ],
    );
}
