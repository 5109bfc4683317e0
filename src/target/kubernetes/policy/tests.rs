use std::path::Path;

use super::{Level, Policy, PolicyFinding, Rule, check};
use crate::target::kubernetes::manifests::parse;

fn found(text: &str) -> Vec<PolicyFinding> {
    check(&parse(Path::new("all.yaml"), text).unwrap_or_else(|error| panic!("{error}")))
}

fn rules(text: &str) -> Vec<&'static str> {
    found(text).iter().map(|finding| finding.rule.name()).collect()
}

const GOOD: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  replicas: 3
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop, tier: front } }
    spec:
      terminationGracePeriodSeconds: 20
      securityContext: { runAsNonRoot: true }
      containers:
      - name: app
        image: "registry.test:5000/shop:1.0"
        securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: [ALL] } }
        resources: { requests: { cpu: 100m, memory: 64Mi }, limits: { memory: 64Mi } }
        readinessProbe: { httpGet: { path: /health, port: 8080 } }
---
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { selector: { app: shop }, ports: [{ port: 80 }] }
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: shop }
spec: { maxUnavailable: 1, selector: { matchLabels: { app: shop } } }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: shop }
spec: { podSelector: { matchExpressions: [{ key: tier, operator: In, values: [front, back] }] } }
"#;

#[test]
fn manifests_that_lack_nothing_have_no_findings_and_no_liveness_probe_is_none() {
    assert_eq!(found(GOOD), []);
}

#[test]
fn everything_that_a_bare_deployment_lacks_is_told_at_its_place() {
    let told = found(
        "# a comment\napiVersion: apps/v1\nkind: Deployment\nmetadata: { name: bare }\nspec:\n  replicas: 2\n  \
         template: { metadata: { labels: { app: bare } }, spec: { containers: [{ name: app, image: shop }] } }\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: { name: bare }\nspec: { selector: { app: bare } }\n",
    );
    let told: Vec<String> =
        told.iter().map(|one| format!("{} {}: {}", one.source, one.rule, one.sentence)).collect();
    let expected = [
        "all.yaml:2 image-tag: Deployment bare: container app takes shop, which names no tag: it may be another \
         program tomorrow",
        "all.yaml:2 root-user: Deployment bare: container app may run as root",
        "all.yaml:2 writable-root: Deployment bare: container app can write to its root file system",
        "all.yaml:2 capabilities: Deployment bare: container app keeps the capabilities that it is started with",
        "all.yaml:2 no-limits: Deployment bare: container app has no limit of memory",
        "all.yaml:2 no-requests: Deployment bare: container app requests no cpu and no memory",
        "all.yaml:2 no-readiness-probe: Deployment bare: container app has no readiness probe",
        "all.yaml:2 no-grace: Deployment bare: Service bare sends it traffic, and it says nothing of how its pods end",
        "all.yaml:2 no-disruption-budget: Deployment bare: no PodDisruptionBudget selects its pods: all may be \
         evicted at once",
        "all.yaml:2 no-network-policy: Deployment bare: no NetworkPolicy selects its pods: anybody may reach them",
    ];
    assert_eq!(told, expected);
}

/// What a change of the good manifests leads to.
fn changed(from: &str, to: &str) -> Vec<&'static str> {
    assert!(GOOD.contains(from), "{from}");
    rules(&GOOD.replace(from, to))
}

#[test]
fn an_image_is_known_by_digest_or_by_a_tag_that_stays() {
    let image = "registry.test:5000/shop:1.0";
    for (other, wrong) in [
        ("registry.test:5000/shop", true),
        ("shop:latest", true),
        ("shop:", true),
        ("registry.test:5000/shop@sha256:00", false),
        ("shop:latest@sha256:00", false),
        ("shop:v1", false),
    ] {
        let expected: &[&str] = if wrong { &["image-tag"] } else { &[] };
        assert_eq!(changed(image, other), expected, "{other}");
    }
}

#[test]
fn the_containers_word_goes_before_the_pods() {
    let own = "{ readOnlyRootFilesystem: true,";
    assert_eq!(changed(own, "{ runAsNonRoot: false, readOnlyRootFilesystem: true,"), ["root-user"]);
    let pod = "securityContext: { runAsNonRoot: true }";
    assert_eq!(changed(pod, ""), ["root-user"]);
    assert_eq!(changed(pod, "securityContext: { runAsUser: 65532 }"), [] as [&str; 0]);
    assert_eq!(changed(pod, "securityContext: { runAsUser: 0 }"), ["root-user"]);
    assert_eq!(changed(own, "{ privileged: true, readOnlyRootFilesystem: true,"), ["capabilities"]);
    assert_eq!(changed("drop: [ALL]", "drop: [NET_RAW]"), ["capabilities"]);
}

#[test]
fn a_limit_is_a_request_too() {
    let requests = "requests: { cpu: 100m, memory: 64Mi }, ";
    assert_eq!(changed(requests, "requests: { cpu: 100m }, "), [] as [&str; 0]);
    assert_eq!(changed(requests, ""), ["no-requests"]);
    assert_eq!(changed(", limits: { memory: 64Mi }", ""), ["no-limits"]);
}

#[test]
fn who_selects_the_pods_is_asked_as_the_api_server_asks() {
    assert_eq!(changed("values: [front, back]", "values: [back]"), ["no-network-policy"]);
    assert_eq!(
        changed("operator: In, values: [front, back]", "operator: DoesNotExist"),
        ["no-network-policy"]
    );
    assert_eq!(changed("operator: In, values: [front, back]", "operator: Exists"), [] as [&str; 0]);
    let expressions =
        "podSelector: { matchExpressions: [{ key: tier, operator: In, values: [front, back] }] }";
    assert_eq!(changed(expressions, "podSelector: {}"), [] as [&str; 0], "an empty selector selects all");
    let budget = "maxUnavailable: 1, selector: { matchLabels: { app: shop } }";
    assert_eq!(changed(budget, "maxUnavailable: 1"), ["no-disruption-budget"]);
    assert_eq!(changed(budget, "selector: { matchLabels: { app: other } }"), ["no-disruption-budget"]);
    assert_eq!(
        changed(
            "kind: NetworkPolicy\nmetadata: { name: shop }",
            "kind: NetworkPolicy\nmetadata: { name: shop, namespace: a }"
        ),
        [] as [&str; 0],
        "the namespace of the others is not written, and may be that one"
    );
}

#[test]
fn a_budget_is_for_several_pods_or_for_what_may_become_several() {
    let single =
        GOOD.replace("replicas: 3", "replicas: 1").replace("kind: PodDisruptionBudget", "kind: Other");
    assert_eq!(rules(&single), [] as [&str; 0]);
    let scaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: { name: shop }\n\
                  spec: { maxReplicas: 5, scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: shop } }\n";
    assert_eq!(rules(&format!("{single}{scaler}")), ["no-disruption-budget"]);
    assert_eq!(
        rules(&format!("{single}{}", scaler.replace("name: shop } }", "name: other } }"))),
        [] as [&str; 0]
    );
}

#[test]
fn what_gets_traffic_has_a_time_to_end_in() {
    let period = "terminationGracePeriodSeconds: 20";
    assert_eq!(changed(period, "terminationGracePeriodSeconds: 0"), ["no-grace"]);
    assert_eq!(changed(period, ""), ["no-grace"]);
    let waits = GOOD.replace(period, "").replace(
        "        readinessProbe:",
        "        lifecycle: { preStop: { sleep: { seconds: 5 } } }\n        readinessProbe:",
    );
    assert_eq!(rules(&waits), [] as [&str; 0]);
    let quiet = GOOD.replace(period, "").replace("selector: { app: shop }, ports", "ports");
    assert_eq!(rules(&quiet), [] as [&str; 0], "a Service without a selector sends it nothing");
}

#[test]
fn jobs_and_init_containers_are_asked_for_no_readiness_and_windows_for_nothing_of_linux() {
    let job = "apiVersion: batch/v1\nkind: CronJob\nmetadata: { name: nightly }\nspec:\n  jobTemplate:\n    spec:\n      \
               template:\n        spec: { os: { name: windows }, containers: [{ name: app, image: \"shop:1\" }] }\n";
    assert_eq!(rules(job), ["no-limits", "no-requests", "no-network-policy"]);
    let with_init = GOOD.replace(
        "      containers:",
        "      initContainers: [{ name: wait, image: \"wait:1\" }]\n      containers:",
    );
    let told = found(&with_init);
    assert!(told.iter().all(|one| one.sentence.starts_with("Deployment shop: container wait ")), "{told:#?}");
    assert_eq!(rules(&with_init), ["writable-root", "capabilities", "no-limits", "no-requests"]);
}

#[test]
fn every_rule_has_a_name_of_its_own_and_warns_by_default() {
    for rule in Rule::ALL {
        assert_eq!(Rule::named(rule.name()), Some(rule));
        assert_eq!(Policy::default().of(rule), Level::Warn);
    }
    let policy = Policy::default().with(Rule::RootUser, Level::Refuse).with(Rule::NoGrace, Level::Off);
    assert_eq!((policy.of(Rule::RootUser), policy.of(Rule::NoGrace)), (Level::Refuse, Level::Off));
    assert_eq!(policy.of(Rule::NoLimits), Level::Warn);
}
