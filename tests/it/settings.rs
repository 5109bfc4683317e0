//! `tidegate.yaml` from the outside: good and bad files, the schema, the reference, and input that nobody wrote by hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use tidegate::rollout::strategy::{Canary, Rolling, Strategy, StrategyName};
use tidegate::rollout::{Condition, Weight};
use tidegate::settings::{
    self, CountedBy, EnvValue, GraceSettings, KubeconfigSource, KubernetesSettings, ManifestSource,
    MetricsSettings, OidcSettings, PrometheusSettings, QuerySettings, RouterKind, RuleLevel, Settings,
    SettingsError, Severity, TargetSettings, TrafficSettings,
};

mod gates;
mod image;
mod notify;
mod reference;

static VALIDATOR: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&settings::schema()).unwrap());

/// The files of one kind, with their names, in order.
fn fixtures(kind: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/settings").join(kind);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let name = |file: &Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|file| (name(file), fs::read_to_string(file).unwrap())).collect()
}

fn parse(text: &str) -> Result<Settings, SettingsError> {
    settings::parse(Path::new("tidegate.yaml"), text)
}

fn good(name: &str) -> Settings {
    let (_, text) = fixtures("good").into_iter().find(|(other, _)| other == name).unwrap();
    parse(&text).unwrap()
}

#[test]
fn bad_files_are_explained() {
    let all = fixtures("bad");
    assert!(all.len() >= 40);
    for (name, text) in all {
        let error = parse(&text).expect_err(&name);
        assert!(error.diagnostics().iter().any(|one| one.severity == Severity::Error), "{name}");
        insta::with_settings!({
            snapshot_path => "../fixtures/settings/bad",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, error.to_string());
        });
    }
}

#[test]
fn every_bad_file_is_told_at_a_place_in_it() {
    for (name, text) in fixtures("bad") {
        for one in parse(&text).expect_err(&name).diagnostics() {
            let lines = text.lines().count().max(1);
            assert!((1..=lines + 1).contains(&one.line), "{name}: line {} of {lines}", one.line);
            assert!(one.column >= 1 && one.hint.as_ref().is_none_or(|hint| !hint.is_empty()), "{name}");
        }
    }
}

#[test]
fn good_files_are_valid_by_schema_and_parser_alike() {
    for (name, text) in fixtures("good") {
        parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let value = json(&text);
        let faults: Vec<String> =
            VALIDATOR.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert_eq!(faults, [""; 0], "{name}");
    }
}

/// Bad by the schema is bad by the parser: no editor marks what Tidegate takes.
#[test]
fn schema_is_not_stricter_than_the_parser() {
    let mut refused = 0;
    for (name, text) in fixtures("bad").into_iter().chain(fixtures("good")) {
        let Some(value) = try_json(&text) else { continue };
        if !VALIDATOR.is_valid(&value) {
            refused += 1;
            assert!(parse(&text).is_err(), "{name}");
        }
    }
    assert!(refused >= 25, "the schema refuses only {refused} of the bad files");
}

pub fn json(text: &str) -> Value {
    try_json(text).unwrap()
}

/// The file as JSON, by way of another reading than the parser's own: events of the YAML library, without places.
fn try_json(text: &str) -> Option<Value> {
    reference::to_json(text.trim_start_matches('\u{feff}'))
}

#[test]
fn everything_is_read() {
    let settings = good("everything");
    assert_eq!(settings.warnings, []);
    let environment = settings.environment("development").unwrap();
    let TargetSettings::Local(local) = &environment.target else { panic!() };
    assert_eq!(local.command, ["./server", "--name", "a b"]);
    assert!(local.directory.is_absolute() && local.directory.ends_with("apps/shop"));
    assert_eq!(local.instances, 4);
    assert_eq!(local.env["DATABASE_URL"], EnvValue::FromEnvironment("DATABASE_URL".to_owned()));
    assert_eq!(local.env["API_TOKEN"], EnvValue::FromEnvironment("API_TOKEN".to_owned()));
    assert_eq!(local.env["RATIO"], EnvValue::Literal("1.10".to_owned()), "as it is written");
    assert_eq!(local.env["DEBUG"], EnvValue::Literal("true".to_owned()));
    assert_eq!(local.proxy.header, Some(("X-Canary".to_owned(), "always".to_owned())));
    assert!(local.proxy.h2c);
    assert_eq!(local.logs.max_size, 10 << 20);
    assert_eq!(environment.keep, Duration::from_secs(5400));
    let Strategy::Canary(canary) = &environment.strategy else { panic!("{:?}", environment.strategy) };
    let points: Vec<u16> = canary.stages.iter().map(|stage| stage.weight.basis_points()).collect();
    assert_eq!(points, [50, 500, 2500, 5000, 7550]);
    assert_eq!(canary.stages.iter().filter(|stage| stage.confirm).count(), 1);
    let comparison = canary.comparison.as_ref().unwrap();
    assert!((comparison.slow_margin - 0.005).abs() < 1e-12);
    assert_eq!(comparison.slower_than, Some(Duration::from_millis(500)));
    assert_eq!(environment.verify.len(), 3);
    let check = |at: usize| match &environment.verify[at] {
        Condition::Check(check) => check,
        Condition::Gate(gate) => panic!("{gate}"),
    };
    assert_eq!(check(1).method, "HEAD");
    assert_eq!(check(0).json.as_ref().unwrap()["error"], Value::Null);
}

fn cluster(settings: &Settings, environment: &str) -> KubernetesSettings {
    match &settings.environment(environment).unwrap().target {
        TargetSettings::Kubernetes(cluster) => cluster.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_of_a_cluster_is_read() {
    let settings = good("kubernetes");
    assert_eq!(settings.warnings, []);
    let folder = settings.file.parent().unwrap().to_owned();
    let seconds = Duration::from_secs;
    let expected = KubernetesSettings {
        manifests: ManifestSource::Files(vec![folder.join("deploy"), folder.join("more/extra.yaml")]),
        namespace: Some("shop".to_owned()),
        kubeconfig: Some(KubeconfigSource::FromEnvironment("SHOP_KUBECONFIG".to_owned())),
        context: Some("production".to_owned()),
        oidc: Some(OidcSettings {
            audience: "sts.amazonaws.com".to_owned(),
            variable: Some("AWS_WEB_IDENTITY_TOKEN_FILE".to_owned()),
        }),
        traffic: TrafficSettings::Router {
            router: RouterKind::GatewayApi,
            name: "shop".to_owned(),
            service: Some("web".to_owned()),
            header: Some(("X-Canary".to_owned(), "always".to_owned())),
            cookie: None,
            sticky_cookie: None,
            settle: Duration::from_millis(500),
        },
        metrics: Some(MetricsSettings::Prometheus(Box::new(PrometheusSettings {
            address: "https://metrics.example/prometheus".to_owned(),
            token: Some("METRICS_TOKEN".to_owned()),
            queries: QuerySettings {
                by: CountedBy::Pod,
                requests: "sum by (pod) (served{pod=~\"{{pods}}\"})".to_owned(),
                errors: "sum by (pod) (failed{pod=~\"{{pods}}\"})".to_owned(),
                slow: None,
            },
        }))),
        url: Some("https://shop.example:8443".to_owned()),
        take_over: true,
        drain: Duration::ZERO,
        graces: GraceSettings {
            configuration: seconds(20),
            registry: seconds(120),
            refusal: seconds(5),
            unscheduled_warned: seconds(60),
            unscheduled: seconds(300),
            readiness: seconds(45),
        },
        policy: BTreeMap::from([
            ("image-tag", RuleLevel::Refuse),
            ("no-limits", RuleLevel::Warn),
            ("no-network-policy", RuleLevel::Off),
        ]),
    };
    assert_eq!(cluster(&settings, "production"), expected);
    assert_eq!(settings.environment("production").unwrap().keep, seconds(1200));
    let scraped = cluster(&settings, "scraped").metrics;
    let scraped = scraped.as_ref().and_then(MetricsSettings::prometheus).unwrap();
    assert_eq!((scraped.address.as_str(), &scraped.token), ("http://10.0.0.7:9090", &None));
    assert_eq!(scraped.queries, QuerySettings::default());
    let testing = cluster(&settings, "testing");
    assert_eq!(testing.metrics, None);
    assert_eq!(testing.manifests, ManifestSource::Kustomization(folder.join("overlays/testing")));
    assert_eq!(testing.kubeconfig, Some(KubeconfigSource::File(folder.join("cluster/config"))));
    assert_eq!(testing.traffic, TrafficSettings::Service { name: Some("shop".to_owned()) });
    assert_eq!(testing.graces.unscheduled_warned, seconds(10), "a default gives way to what is written");
}

#[test]
fn every_router_is_read() {
    let settings = good("kubernetes-routers");
    assert_eq!(settings.warnings, []);
    let router = |router, name: &str, settle| TrafficSettings::Router {
        router,
        name: name.to_owned(),
        service: None,
        header: None,
        cookie: None,
        sticky_cookie: None,
        settle: Duration::from_secs(settle),
    };
    let read = |environment: &str| cluster(&settings, environment).traffic;
    assert_eq!(read("nginx"), router(RouterKind::IngressNginx, "shop", 5));
    assert_eq!(read("traefik"), router(RouterKind::Traefik, "shop", 3));
    assert_eq!(read("istio"), router(RouterKind::Istio, "shop", 3));
    let TrafficSettings::Router { service, header, cookie, settle, .. } = read("nginx-full") else {
        panic!()
    };
    assert_eq!(service.as_deref(), Some("web"));
    assert_eq!(header, Some(("X-Canary".to_owned(), "always".to_owned())));
    assert_eq!((cookie.as_deref(), settle), (Some("early"), Duration::from_secs(8)));
    let TrafficSettings::Router { sticky_cookie, .. } = read("traefik-full") else { panic!() };
    assert_eq!(sticky_cookie.as_deref(), Some("seen"));
    let TrafficSettings::Router { header, .. } = read("istio-full") else { panic!() };
    assert_eq!(header, Some(("X-Canary".to_owned(), "1".to_owned())));
}

#[test]
fn a_cluster_needs_no_more_than_its_manifests() {
    let settings = good("kubernetes");
    let manifests = ManifestSource::Files(vec![settings.file.parent().unwrap().join("deploy")]);
    let expected = KubernetesSettings {
        manifests,
        namespace: None,
        kubeconfig: None,
        context: None,
        oidc: None,
        traffic: TrafficSettings::Service { name: None },
        metrics: None,
        url: None,
        take_over: false,
        drain: Duration::from_secs(5),
        graces: GraceSettings::default(),
        policy: BTreeMap::new(),
    };
    assert_eq!(cluster(&settings, "plain"), expected);
    assert_eq!(cluster(&settings, "staging"), expected, "`service` alone is the default");
}

#[test]
fn rules_are_read() {
    let settings = good("rules");
    let rules = |name: &str| settings.environment(name).unwrap().clone();
    let staging = rules("staging").on.unwrap();
    assert!(staging.dispatch && staging.tag.0.is_empty());
    assert!(
        staging.push.fit("develop") && staging.push.fit("release/1") && !staging.push.fit("release/1-alpha")
    );
    let production = rules("production");
    assert_eq!(production.after.as_deref(), Some("staging"));
    let window = &production.freeze[0];
    assert_eq!(
        (window.from.to_string(), window.to.to_string()),
        ("2026-12-24T00:00:00Z".to_owned(), "2027-01-02T07:00:00Z".to_owned())
    );
    assert_eq!(window.reason, "the holidays");
    let lab = rules("lab").on.unwrap();
    assert!(lab.dispatch && lab.push.0.is_empty() && lab.tag.0.is_empty());
}

#[test]
fn defaults_are_those_of_the_strategies() {
    let settings = good("strategies");
    let strategy = |name: &str| settings.environment(name).unwrap().strategy.clone();
    assert_eq!(strategy("e0"), Strategy::by_name(StrategyName::Rolling));
    assert_eq!(strategy("e3"), Strategy::by_name(StrategyName::BlueGreen));
    assert_eq!(strategy("e6"), Strategy::by_name(StrategyName::Canary));
    assert_eq!(strategy("e7"), Strategy::Canary(Canary::default()), "an empty mapping is the name alone");
    assert_eq!(strategy("e10"), strategy("e11"));
    let Strategy::Canary(full) = strategy("e9") else { panic!() };
    assert_eq!(full.stages[0].weight, Weight::FULL);
}

#[test]
fn percent_of_instances_is_rounded_as_kubernetes_does() {
    let settings = good("strategies");
    let rolling = Rolling { max_surge: 1, max_unavailable: 1, wait: Duration::from_secs(10) };
    assert_eq!(settings.environment("e1").unwrap().strategy, Strategy::Rolling(rolling));
}

#[test]
fn nothing_is_kept_where_the_strategy_keeps_nothing() {
    let settings = good("strategies");
    assert_eq!(settings.environment("e0").unwrap().keep, Duration::ZERO);
    assert_eq!(settings.environment("e3").unwrap().keep, Duration::from_secs(600));
}

#[test]
fn secrets_in_the_file_are_warned_of_and_not_shown_in_the_sentence() {
    let warnings = good("secrets-warned").warnings;
    insta::assert_snapshot!("warnings", settings::render(&warnings));
    assert!(warnings.iter().all(|one| one.severity == Severity::Warning && !one.message.contains("hunter2")));
}

#[test]
fn an_unknown_environment_is_suggested() {
    let settings = good("aliases");
    let message = |name: &str| settings.environment(name).unwrap_err().to_string();
    assert!(message("prodution").contains("did you mean `production`?"));
    assert!(message("xyz").contains("`development` and `production`"));
}

#[test]
fn the_file_is_found_upwards_to_the_repository() {
    let folder = tempfile::tempdir().unwrap();
    let (outer, inner) = (folder.path().join("a"), folder.path().join("a/b/c"));
    fs::create_dir_all(&inner).unwrap();
    fs::create_dir_all(folder.path().join(".github")).unwrap();
    fs::write(folder.path().join(".github/tidegate.yaml"), "").unwrap();
    assert_eq!(settings::find(&inner), Some(folder.path().join(".github/tidegate.yaml")));
    fs::create_dir(outer.join(".git")).unwrap();
    assert_eq!(settings::find(&inner), None, "the search ends at the repository");
    fs::write(outer.join("tidegate.yml"), "").unwrap();
    assert_eq!(settings::find(&inner), Some(outer.join("tidegate.yml")));
    fs::write(outer.join("tidegate.yaml"), "").unwrap();
    assert_eq!(settings::find(&inner), Some(outer.join("tidegate.yaml")));
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidegate.yaml");
    let missing = settings::load(&file).unwrap_err();
    assert!(matches!(&missing, SettingsError::Read { hint, .. } if hint.contains("tidegate init")));
    assert!(missing.to_string().contains(file.to_str().unwrap()));
    assert!(matches!(settings::load(folder.path()), Err(SettingsError::Read { .. })));
    fs::write(&file, b"app: shop\nx: \xff\n").unwrap();
    let diagnostics = settings::load(&file).unwrap_err();
    assert_eq!((diagnostics.diagnostics()[0].line, diagnostics.diagnostics()[0].column), (2, 4));
    fs::write(&file, vec![b'#'; usize::try_from(settings::LARGEST).unwrap() + 1]).unwrap();
    assert!(settings::load(&file).unwrap_err().to_string().contains("larger than 1 MiB"));
    fs::write(&file, settings::template("shop", None)).unwrap();
    assert_eq!(settings::load(&file).unwrap().app, "shop");
}

fn secrets_in_one_line() -> String {
    let env = (0..5_000).fold(String::new(), |text, n| text + &format!("A{n}_KEY: abc, "));
    let local = format!("command: x, listen: \"127.0.0.1:1\", instances: 0, env: {{ {env} }}");
    format!("app: shop\nenvironments: {{ a: {{ target: {{ local: {{ {local} }} }} }} }}\n")
}

/// Hostile files end in time: deep, wide, full of faults.
#[test]
fn large_files_are_read_in_time() {
    let many = |line: &str, count: usize| line.repeat(count);
    for text in [
        many("[", 1 << 20),
        many("{a: ", 200_000),
        many("- ", 500_000),
        format!("app: {}", many("x", 1 << 20)),
        many("&a ", 300_000),
        format!("{}\n", many("\"", 1 << 20)),
        (0..40_000).fold(String::new(), |text, n| text + &format!("k{n}: 1\n")),
        many("a: 1\n", 24_000),
        format!("{{{}}}", many("a: !x 1, ", 24_000)),
        secrets_in_one_line(),
    ] {
        let start = std::time::Instant::now();
        let error = parse(&text).unwrap_err();
        assert!((1..=101).contains(&error.diagnostics().len()), "{}", error.diagnostics().len());
        assert!(error.to_string().len() < 200_000);
        assert!(start.elapsed() < Duration::from_secs(10), "{} took {:?}", &text[..20], start.elapsed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        let _ = parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn yaml_like_text_never_panics(text in "[-a-c:{}\\[\\],&*!|>'\"%@#? \\n\\t0-9]{0,120}") {
        let _ = parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn mutated_files_never_panic(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<char>(), 0..3_u8), 1..6),
    ) {
        let files = fixtures("good");
        let mut text: Vec<char> = files[which.index(files.len())].1.chars().collect();
        for (place, character, kind) in edits {
            let at = place.index(text.len());
            match kind {
                0 => text[at] = character,
                1 => text.insert(at, character),
                _ => drop(text.remove(at)),
            }
        }
        let text: String = text.into_iter().collect();
        match parse(&text) {
            Err(error) => prop_assert!(error.diagnostics().iter().any(|one| one.severity == Severity::Error)),
            // What Tidegate takes, no editor marks.
            Ok(_) => prop_assert!(VALIDATOR.is_valid(&json(&text)), "{text}"),
        }
    }
}

#[test]
fn who_is_met_by_end_users_is_told_by_the_name_or_by_a_word() {
    let text = |name: &str, more: &str| {
        format!(
            "app: a\nenvironments: {{ {name}: {{ target: {{ local: {{ command: ./a, listen: '127.0.0.1:1' }} }}{more} }} }}\n"
        )
    };
    let is = |name: &str, more: &str| parse(&text(name, more)).unwrap().environments[0].production;
    for name in ["production", "production-eu", "prod", "live-de"] {
        assert!(is(name, "") && !is(name, ", production: false"), "{name}");
    }
    for name in ["staging", "products", "livestock"] {
        assert!(!is(name, "") && is(name, ", production: true"), "{name}");
    }
}
