//! What the real API server would refuse, asked for before the rollout as one of three identities.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use testbed::{Bed, Part};
use tidegate::cluster::{Access, connect};
use tidegate::registry::Image;
use tidegate::target::TargetError;
use tidegate::target::kubernetes::manifests::{Object, parse};
use tidegate::target::kubernetes::preflight::{Feature, Needs, Verdict, look_up, preflight};

use super::bed;
use super::kube::{Namespace, image, workload};
use crate::rbac::{USES, rules};
use crate::registry::with_tokens;

fn objects(text: &str) -> Vec<Object> {
    parse(Path::new("all.yaml"), text).unwrap_or_else(|error| panic!("{error}"))
}

async fn client(bed: &Bed, identity: &str) -> kube::Client {
    let access = Access { kubeconfig: Some(bed.kubeconfig(identity)), ..Access::default() };
    connect(&access).await.unwrap().0
}

fn needs(features: &[Feature]) -> Needs {
    Needs { features: features.to_vec(), ..Needs::default() }
}

fn told(problems: &[TargetError]) -> Vec<String> {
    problems.iter().map(|one| format!("{}: {}", one.code, one.sentence)).collect()
}

/// Waits until a verdict is as wanted: roles and quotas are in force a moment after they are written.
async fn until(what: &str, ask: impl AsyncFn() -> Verdict, wanted: impl Fn(&[String]) -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let verdict = told(&ask().await.problems);
        if wanted(&verdict) {
            return;
        }
        assert!(Instant::now() < end, "not within a minute: {what}: {verdict:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

const SHOP: &str = "apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec: { template: { spec: { containers: [{ name: app, image: \"shop:1\" }] } } }
---
apiVersion: v1
kind: Service
metadata: { name: shop }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
";

fn bind(space: &Namespace, user: &str, name: &str, rules: &str) {
    space.apply(&format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{ name: {name} }}\nrules:\n{rules}---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{ name: {name} }}\n\
         roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name} }}\n\
         subjects: [{{ kind: User, name: {user}, apiGroup: rbac.authorization.k8s.io }}]\n"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_missing_rights_are_named_at_once_and_each_role_of_the_documentation_is_enough() {
    let Some(bed) = bed("rights before a rollout", &[Part::ControlPlane]).await else { return };
    let all = objects(SHOP);
    let nobody = Namespace::new(&bed, "preflight-nobody");
    let stranger = client(&bed, "stranger").await;
    let verdict = preflight(&stranger, &nobody.name, &all, &needs(&[Feature::Look, Feature::Deploy])).await;
    let problems = told(&verdict.problems);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let place = format!("in namespace {}", nobody.name);
    for right in [
        "create, delete, get, list, patch, watch deployments.apps",
        "get pods/log",
        "create, delete, get, list",
    ] {
        assert!(problems[0].contains(right), "{right}: {}", problems[0]);
    }
    assert!(
        problems[0].starts_with("forbidden: this identity may not ") && problems[0].contains(&place),
        "{problems:?}"
    );

    let deployer = client(&bed, "deployer").await;
    let mut smaller: Option<&[Feature]> = None;
    for (name, _, features, applies) in USES {
        let space = Namespace::new(&bed, &format!("preflight-{name}"));
        let objects = if applies { &all[..] } else { &[] };
        // With a router's rights asked for and not given, they are all that is missing.
        let ask =
            async |features: &[Feature]| preflight(&deployer, &space.name, objects, &needs(features)).await;
        let rules_before = smaller.replace(features).map(|smaller| rules(smaller, applies));
        if let Some(rules) = rules_before.filter(|_| applies) {
            bind(&space, "deployer", "smaller", &rules);
            until(
                &format!("{name} needs more"),
                async || ask(features).await,
                |problems| {
                    let more = problems.first().is_some_and(|one| {
                        let routers = ["httproutes", "ingresses", "ingressroutes", "virtualservices"];
                        let missing = ["leases", "replicasets"].into_iter().chain(routers);
                        missing.filter(|resource| one.contains(resource)).count() == 1
                    });
                    problems.len() == 1 && more
                },
            )
            .await;
        }
        bind(&space, "deployer", name, &rules(features, applies));
        until(&format!("{name} is enough"), async || ask(features).await, |problems| problems.is_empty())
            .await;
        let verdict = ask(&Feature::ALL).await;
        assert!(told(&verdict.problems).concat().contains("pods/portforward"), "{verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_for_one_object_by_name_is_enough_for_that_object() {
    let Some(bed) = bed("rights by name", &[Part::ControlPlane]).await else { return };
    let space = Namespace::new(&bed, "preflight-named");
    bind(
        &space,
        "reader",
        "named",
        "- apiGroups: [\"\"]\n  resources: [configmaps]\n  resourceNames: [settings]\n  verbs: [get, patch, delete]\n\
         - apiGroups: [\"\"]\n  resources: [configmaps]\n  verbs: [create]\n",
    );
    let reader = client(&bed, "reader").await;
    let own = objects("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings }\n");
    let ask = async || preflight(&reader, &space.name, &own, &Needs::default()).await;
    until("the named right is in force", ask, |problems| problems.is_empty()).await;
    let other = objects("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: other }\n");
    let verdict = preflight(&reader, &space.name, &other, &Needs::default()).await;
    let expected =
        format!("forbidden: this identity may not delete, get, patch configmaps in namespace {}", space.name);
    assert_eq!(told(&verdict.problems), [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_and_kinds_that_are_not_there_are_told_all_at_once() {
    let Some(bed) = bed("namespaces and kinds", &[Part::ControlPlane]).await else { return };
    let admin = client(&bed, "admin").await;
    let absent = format!("preflight-absent-{}", std::process::id());
    let strange = "apiVersion: apps/v1\nkind: Deploymant\nmetadata: { name: a }\n---\n\
                   apiVersion: example.com/v1\nkind: Tide\nmetadata: { name: b, namespace: preflight-elsewhere }\n";
    let verdict = preflight(&admin, &absent, &objects(strange), &needs(&[Feature::Look])).await;
    let expected = [
        format!("not-found: namespace {absent} is not there"),
        "not-found: namespace preflight-elsewhere is not there".to_owned(),
        "unknown-kind: the cluster has no kind Deploymant in apps/v1, which a needs (all.yaml:1)".to_owned(),
        "unknown-kind: the cluster has no kind Tide in example.com/v1, which b needs (all.yaml:5)".to_owned(),
    ];
    assert_eq!(told(&verdict.problems), expected);

    let made = format!("{SHOP}---\napiVersion: v1\nkind: Namespace\nmetadata: {{ name: {absent} }}\n");
    let most: Vec<Feature> = Feature::ALL.into_iter().filter(|one| *one != Feature::Previews).collect();
    let verdict = preflight(&admin, &absent, &objects(&made), &needs(&most)).await;
    assert_eq!(told(&verdict.problems), [] as [&str; 0]);
    // In a preview whatever lives in no namespace would be shared by all, custom resources too: discovery tells.
    let verdict = preflight(&admin, &absent, &objects(&made), &needs(&[Feature::Previews])).await;
    let (told, shared) = (told(&verdict.problems), format!("shared-object: Namespace {absent} "));
    assert!(matches!(told.as_slice(), [only] if only.starts_with(&shared)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_in_addition_must_fit_into_the_quota() {
    let Some(bed) = bed("a quota before a rollout", &[Part::ControlPlane]).await else { return };
    let space = Namespace::new(&bed, "preflight-quota");
    space.apply(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: { name: small }\nspec: { hard: { pods: \"2\", requests.cpu: 1 } }\n",
    );
    let admin = client(&bed, "admin").await;
    let all = objects(SHOP);
    let ask = async |extra: u32| {
        let extra_pods = BTreeMap::from([(all[0].key.clone(), extra)]);
        preflight(&admin, &space.name, &all, &Needs { extra_pods, ..Needs::default() }).await
    };
    let place = format!("quota small in namespace {}", space.name);
    let unnamed = format!(
        "quota-exceeded: {place} takes only pods that name requests.cpu, and Deployment shop does not"
    );
    let full = format!(
        "quota-exceeded: {place} has no room for what comes in addition: 3 of pods wanted, 2 of 2 left"
    );
    until(
        "the quota is counted",
        async || ask(3).await,
        |problems| problems == [full.clone(), unnamed.clone()],
    )
    .await;
    space.apply(
        "apiVersion: v1\nkind: LimitRange\nmetadata: { name: some }\n\
         spec: { limits: [{ type: Container, defaultRequest: { cpu: 400m } }] }\n",
    );
    assert_eq!(told(&ask(2).await.problems), [] as [&str; 0]);
    assert_eq!(told(&ask(0).await.problems), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_are_not_there_or_for_other_nodes_are_told_before_anything_is_applied() {
    let parts = [Part::Node(1), Part::Registry];
    let Some(bed) = bed("images before a rollout", &parts).await else { return };
    let space = Namespace::new(&bed, "preflight-images");
    let admin = client(&bed, "admin").await;
    let text = ["sample:1.0.0", "sample:2.0.0-foreign", "sample:none"]
        .iter()
        .zip(["good", "foreign", "absent"])
        .map(|(image, name)| workload(name, image, 1, "/health", ""))
        .collect::<Vec<_>>()
        .join("---\n");
    let all = objects(&text);
    let images = look_up(&admin, &space.name, &all).await.unwrap();
    let verdict =
        preflight(&admin, &space.name, &all, &Needs { images: images.clone(), ..Needs::default() }).await;
    let problems = told(&verdict.problems);
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(
        problems[0].starts_with("wrong-architecture: no node can run the pods of Deployment foreign"),
        "{problems:#?}"
    );
    let absent =
        format!("image-absent: the registry has no {}, which Deployment absent", image("sample:none"));
    assert!(problems[1].starts_with(&absent), "{problems:#?}");
    // Who may not list the nodes is told of the images all the same, and of nothing else but rights.
    let stranger = client(&bed, "stranger").await;
    let verdict = preflight(&stranger, &space.name, &all, &Needs { images, ..Needs::default() }).await;
    let codes: Vec<&str> = verdict.problems.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["forbidden", "image-absent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pull_secrets_of_pods_and_of_their_service_account_open_a_registry() {
    let Some(bed) = bed("pull secrets", &[Part::ControlPlane]).await else { return };
    let space = Namespace::new(&bed, "preflight-secrets");
    let registry = with_tokens(|asked| asked.authorization == "Basic YWRhOmh1bnRlcjI=").await;
    let secret = |name: &str, password: &str| {
        let entry = format!(r#"{{"username": "ada", "password": "{password}"}}"#);
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{ name: {name} }}\ntype: kubernetes.io/dockerconfigjson\n\
             stringData: {{ .dockerconfigjson: '{{\"auths\": {{\"{registry}\": {entry}}}}}' }}\n"
        )
    };
    space.apply(&secret("right", "hunter2"));
    space.apply(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: puller }\nimagePullSecrets: [{ name: right }]\n",
    );
    let image = format!("{registry}/team/shop:1.0");
    let admin = client(&bed, "admin").await;
    let found = async |identity: &kube::Client, pod: &str, more: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: a }}\n\
             spec: {{ {pod}, containers: [{{ name: a, image: \"{image}\" }}] }}\n---\n{more}"
        );
        look_up(identity, &space.name, &objects(&text)).await.unwrap().remove(&image).unwrap()
    };
    let is_there = |image: Image| matches!(image, Image::Present { .. });
    assert!(is_there(found(&admin, "serviceAccountName: puller", "").await));
    assert!(is_there(found(&admin, "imagePullSecrets: [{ name: right }]", "").await));
    let own = "imagePullSecrets: [{ name: own }]";
    assert!(is_there(found(&admin, own, &secret("own", "hunter2")).await), "it stands in the manifests");
    assert_eq!(found(&admin, own, &secret("own", "wrong")).await, Image::Forbidden { tried: true });
    assert_eq!(found(&admin, "imagePullSecrets: []", "").await, Image::Forbidden { tried: false });
    let stranger = client(&bed, "stranger").await;
    assert_eq!(
        found(&stranger, "serviceAccountName: puller", "").await,
        Image::Forbidden { tried: false },
        "who may not read the secret does without"
    );
}
