//! `docs/rbac.md` has the rights that the sources ask for, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tidegate::target::kubernetes::preflight::{Feature, Need};

/// The mark in the page after which everything is made from the sources.
const BEGIN: &str = "<!-- roles: made from the sources, do not edit -->\n";

/// What the page's example deploys.
pub(super) const EXAMPLE: &[Need] = &[
    Need { group: "apps", resources: &["deployments"], verbs: Need::OF_OBJECTS, why: "the manifests" },
    Need { group: "", resources: &["services", "configmaps"], verbs: Need::OF_OBJECTS, why: "the manifests" },
];

/// A use with what it needs: the name of its role, what it is for, its features, and whether it applies manifests.
pub(super) const USES: [(&str, &str, &[Feature], bool); 7] = [
    ("tidegate-look", "Only `status` and `history`", &[Feature::Look], false),
    ("tidegate-rolling", "To deploy by rolling", &[Feature::Look, Feature::Deploy], true),
    (
        "tidegate-sets",
        "To deploy by canary or blue-green with a Service",
        &[Feature::Look, Feature::Deploy, Feature::Sets, Feature::Comparison],
        true,
    ),
    (
        "tidegate-gateway",
        "To deploy by canary or blue-green with the Gateway API",
        &[Feature::Look, Feature::Deploy, Feature::Sets, Feature::GatewayApi, Feature::Comparison],
        true,
    ),
    (
        "tidegate-ingress-nginx",
        "To deploy by canary with ingress-nginx",
        &[Feature::Look, Feature::Deploy, Feature::Sets, Feature::IngressNginx, Feature::Comparison],
        true,
    ),
    (
        "tidegate-traefik",
        "To deploy by canary with Traefik",
        &[Feature::Look, Feature::Deploy, Feature::Sets, Feature::Traefik, Feature::Comparison],
        true,
    ),
    (
        "tidegate-istio",
        "To deploy by canary with Istio",
        &[Feature::Look, Feature::Deploy, Feature::Sets, Feature::Istio, Feature::Comparison],
        true,
    ),
];

/// What previews need, in the whole cluster.
pub(super) const PREVIEWS: [Feature; 3] = [Feature::Look, Feature::Deploy, Feature::Previews];

/// All needs of a use.
fn needs(features: &[Feature], applies: bool) -> Vec<Need> {
    let own = features.iter().flat_map(|feature| feature.needs()).copied();
    own.chain(EXAMPLE.iter().filter(|_| applies).copied()).collect()
}

/// The rules of a role, resources with the same verbs together.
pub(super) fn rules(features: &[Feature], applies: bool) -> String {
    rules_of(&needs(features, applies))
}

fn rules_of(needs: &[Need]) -> String {
    let mut verbs: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for need in needs {
        for resource in need.resources {
            verbs.entry((need.group, resource)).or_default().extend(need.verbs);
        }
    }
    let mut rules: BTreeMap<(&str, BTreeSet<&str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in verbs {
        rules.entry((group, verbs)).or_default().push(resource);
    }
    let mut out = String::new();
    for ((group, verbs), resources) in rules {
        let group = if group.is_empty() { "\"\"" } else { group };
        let verbs: Vec<&str> = verbs.into_iter().collect();
        writeln!(out, "- apiGroups: [{group}]\n  resources: [{}]", resources.join(", ")).unwrap();
        writeln!(out, "  verbs: [{}]", verbs.join(", ")).unwrap();
    }
    out
}

fn manifest(kind: &str, name: &str, rules: &str) -> String {
    let place = if kind == "Role" { ", namespace: shop" } else { "" };
    format!(
        "```yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{ name: {name}{place} }}\nrules:\n{rules}---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\nmetadata: {{ name: {name}{place} }}\n\
         roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {name} }}\n\
         subjects: [{{ kind: ServiceAccount, name: tidegate, namespace: shop }}]\n```\n"
    )
}

fn table(needs: &[Need]) -> String {
    let mut out = "| group | resources | verbs | what for |\n|---|---|---|---|\n".to_owned();
    for Need { group, resources, verbs, why } in needs {
        let group = if group.is_empty() { "core" } else { group };
        writeln!(out, "| {group} | {} | {} | {why} |", resources.join(", "), verbs.join(", ")).unwrap();
    }
    out
}

/// Everything after the mark.
fn page() -> String {
    let mut out = "\n## What each right is for\n".to_owned();
    let titles = [
        "`status` and `history`",
        "Deploying",
        "Manifests that hold Secrets",
        "Canary and blue-green",
        "The Gateway API",
        "ingress-nginx",
        "Traefik",
        "Istio",
        "Comparing releases",
        "Comparing releases by a router's counts, in the namespace of its pods",
        "Direct checks",
        "Jobs of migrations and of gates",
        "A watchdog",
        "Previews, in the whole cluster",
        "Databases of previews, in the whole cluster",
        "Fronts of previews, in the whole cluster",
    ];
    assert_eq!(titles.len(), Feature::ALL.len(), "each feature has a title");
    for (feature, title) in Feature::ALL.iter().zip(titles) {
        writeln!(out, "\n**{title}**\n\n{}", table(feature.needs()).trim_end()).unwrap();
    }
    for (name, title, features, applies) in USES {
        writeln!(out, "\n## {title}\n\n{}", manifest("Role", name, &rules(features, applies)).trim_end())
            .unwrap();
    }
    writeln!(out, "\n## In addition: manifests that hold Secrets\n").unwrap();
    let secrets = Need { group: "", resources: &["secrets"], verbs: Need::OF_OBJECTS, why: "the manifests" };
    let secrets = [Feature::Secrets.needs(), &[secrets]].concat();
    out += &manifest("Role", "tidegate-secrets", &rules_of(&secrets));
    writeln!(
        out,
        "\n## In addition: the counts of a router\n\nFor `metrics: {{ routers: … }}`, in the namespace of the router's pods, and in place of \
         `pods/proxy` in that of the app.\n"
    )
    .unwrap();
    let role = manifest("Role", "tidegate-router-counts", &rules(&[Feature::RouterCounts], false));
    let bound = "subjects: [{ kind: ServiceAccount, name: tidegate, namespace: shop }]";
    let (its, own) =
        (role.replace("namespace: shop", "namespace: projectcontour"), "namespace: projectcontour }]");
    out += &its.replace(&bound.replace("namespace: shop }]", own), bound);
    writeln!(out, "\n## In addition: direct checks\n\nFor gates that ask the pods themselves.\n").unwrap();
    out += &manifest("Role", "tidegate-direct-checks", &rules(&[Feature::DirectChecks], false));
    writeln!(out, "\n## In addition: Jobs of migrations and of gates\n\nFor `migrate: {{ job: … }}`, and gates with `job`.\n").unwrap();
    out += &manifest("Role", "tidegate-jobs", &rules(&[Feature::Jobs], false));
    writeln!(out, "\n## In addition: a watchdog\n\nFor `deploy --watchdog IMAGE`.\n").unwrap();
    out += &manifest("Role", "tidegate-watchdog", &rules(&[Feature::Watchdog], false));
    writeln!(
        out,
        "\n## Previews of pull requests\n\nTheir namespaces come and go, so these rights are in all of them: whoever has them may delete any namespace. A \
         cluster of their own is better.\n"
    )
    .unwrap();
    out += &manifest("ClusterRole", "tidegate-previews", &rules(&PREVIEWS, true));
    out += "\n## In addition: databases of previews\n\nFor `database`: the Secrets of all namespaces can be read with it.\n\n";
    out += &manifest("ClusterRole", "tidegate-preview-databases", &rules(&[Feature::OwnDatabase], false));
    out += "\n## In addition: fronts of previews\n\nFor `sleep` and `access` in a cluster. The front of a preview gets a Role in its namespace: to see Services and their endpoints, and for \
            `sleep` to scale Deployments and to look at Leases.\n\n";
    out += &manifest("ClusterRole", "tidegate-preview-fronts", &rules(&[Feature::Front], false));
    out += "\n## In addition: a better look before the rollout\n\nNot needed: without these rights what they are for is not looked at.\n\n";
    out += &table(&[Need::USEFUL, Need::USEFUL_CLUSTER].concat());
    out.push('\n');
    out += &manifest("Role", "tidegate-preflight", &rules_of(Need::USEFUL));
    out.push('\n');
    out + &manifest("ClusterRole", "tidegate-preflight", &rules_of(Need::USEFUL_CLUSTER))
}

#[test]
fn the_page_has_the_rights_that_the_sources_ask_for() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rbac.md");
    let kept = fs::read_to_string(&file).unwrap();
    let (text, _) = kept.split_once(BEGIN).expect("the page has the mark");
    let wanted = format!("{text}{BEGIN}{}", page());
    if std::env::var_os("TIDEGATE_UPDATE").is_some() {
        fs::write(&file, &wanted).unwrap();
    }
    assert!(
        kept == wanted || std::env::var_os("TIDEGATE_UPDATE").is_some(),
        "docs/rbac.md is not current: run this test with TIDEGATE_UPDATE=1"
    );
}

#[test]
fn resources_with_the_same_verbs_stand_in_one_rule() {
    let expected = "- apiGroups: [\"\"]\n  resources: [configmaps, pods, services]\n  verbs: [get, list, watch]\n\
                    - apiGroups: [apps]\n  resources: [daemonsets, deployments, replicasets, statefulsets]\n  \
                    verbs: [get, list, watch]\n";
    assert!(rules(&[Feature::Look], false).starts_with(expected), "{}", rules(&[Feature::Look], false));
}
