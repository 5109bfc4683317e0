//! Server-side apply against the real API server.

use std::path::Path;

use serde_json::{Value, json};
use testbed::{Bed, Part};
use tidegate::cluster::{Access, connect};
use tidegate::target::kubernetes::apply::Applier;
use tidegate::target::kubernetes::manifests::{Object, in_order, parse, version};

use super::bed;
use super::kube::Namespace;

async fn applier(bed: &Bed, identity: &str, space: &Namespace) -> Applier {
    let access = Access { kubeconfig: Some(bed.kubeconfig(identity)), ..Access::default() };
    let (client, namespace) = connect(&access).await.unwrap();
    assert_eq!(namespace, "default");
    Applier::new(client, &space.name)
}

fn objects(text: &str) -> Vec<Object> {
    parse(Path::new("deploy/all.yaml"), text).unwrap_or_else(|error| panic!("{error}"))
}

const SHOP: &str = "apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  replicas: 0
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec:
      containers: [{ name: app, image: \"shop:1\", envFrom: [{ configMapRef: { name: settings } }] }]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { colour: blue }
---
apiVersion: v1
kind: Secret
metadata: { name: key }
stringData: { password: hunter2 }
";

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_previewed_applied_and_applied_again_without_a_change() {
    let Some(bed) = bed("server-side apply", &[Part::ControlPlane]).await else { return };
    let space = Namespace::new(&bed, "apply");
    let applier = applier(&bed, "admin", &space).await;
    let mut all = objects(SHOP);
    let named = version(&mut all);
    in_order(&mut all);
    let kinds: Vec<&str> = all.iter().map(|object| object.key.kind.as_str()).collect();
    assert_eq!(kinds, ["ConfigMap", "Secret", "Deployment"]);

    for object in &all {
        let told: Vec<String> =
            applier.preview(object, false).await.unwrap().iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.starts_with("+ ")), "{told:?}");
        assert!(!told.join("\n").contains("hunter2") && !told.join("\n").contains("aHVudGVyMg"), "{told:?}");
        assert!(applier.get(&object.key).await.unwrap().is_none(), "the preview made {}", object.key);
    }
    let mut versions = Vec::new();
    for object in &all {
        versions.push(applier.apply(object, false).await.unwrap().metadata.resource_version);
    }
    let shop = space.json(&["get", "deployment", "shop", "--show-managed-fields"]);
    let from = &shop["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"];
    assert_eq!(*from, Value::String(named[0].name.clone()));
    let managers: Vec<&Value> =
        shop["metadata"]["managedFields"].as_array().unwrap().iter().map(|one| &one["manager"]).collect();
    assert!(managers.contains(&&json!("tidegate")), "{managers:?}");

    for (object, before) in all.iter().zip(versions) {
        // The controller writes a Deployment's status; the others stay as they are to the byte.
        let again = applier.apply(object, false).await.unwrap();
        if object.key.kind != "Deployment" {
            assert_eq!(again.metadata.resource_version, before, "{} was changed by nothing", object.key);
        }
        assert_eq!(applier.preview(object, false).await.unwrap(), []);
    }
    let image = objects(&SHOP.replace("shop:1", "shop:2"));
    let mut image = image.into_iter().filter(|object| object.key.kind == "Deployment").collect::<Vec<_>>();
    image[0].value["spec"]["template"]["spec"]["containers"][0]["envFrom"] = from_of(&shop);
    let told = applier.preview(&image[0], false).await.unwrap();
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["~ spec.template.spec.containers[name=app].image: \"shop:1\" → \"shop:2\""]);

    assert!(applier.remove(&all[0].key).await.unwrap());
    assert!(!applier.remove(&all[0].key).await.unwrap(), "it is gone");
}

fn from_of(shop: &Value) -> Value {
    shop["spec"]["template"]["spec"]["containers"][0]["envFrom"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_others_are_named_with_their_owners_and_taken_over_only_by_word() {
    let Some(bed) = bed("conflicts", &[Part::ControlPlane]).await else { return };
    let space = Namespace::new(&bed, "conflict");
    let applier = applier(&bed, "admin", &space).await;
    let shop = objects(SHOP).remove(0);
    applier.apply(&shop, false).await.unwrap();
    space.kubectl(&["scale", "deployment", "shop", "--replicas=3"]);
    space.kubectl(&["set", "image", "deployment/shop", "app=shop:by-hand"]);
    let refused = applier.apply(&shop, false).await.unwrap_err();
    assert_eq!(refused.code, "conflict");
    assert!(refused.fatal);
    assert!(
        refused.sentence.starts_with("Deployment shop (deploy/all.yaml:1) has fields that others own: "),
        "{refused}"
    );
    assert!(refused.sentence.contains("`.spec.replicas` by kubectl"), "{refused}");
    assert!(refused.sentence.contains(".image` by kubectl-set"), "{refused}");
    let now = space.json(&["get", "deployment", "shop"]);
    assert_eq!((now["spec"]["replicas"].as_u64(), 3), (Some(3), 3), "nothing was changed");
    applier.apply(&shop, true).await.unwrap();
    let now = space.json(&["get", "deployment", "shop"]);
    assert_eq!(now["spec"]["template"]["spec"]["containers"][0]["image"], "shop:1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_server_refuses_is_told_with_the_place_in_the_manifest() {
    let Some(bed) = bed("refusals of the API server", &[Part::ControlPlane]).await else { return };
    let space = Namespace::new(&bed, "refused");
    let admin = applier(&bed, "admin", &space).await;
    let told = async |applier: &Applier, text: &str| {
        let error = applier.apply(&objects(text).remove(0), false).await.unwrap_err();
        (error.code, error.sentence, error.hint.unwrap_or_default())
    };
    let (code, sentence, _) = told(&admin, &SHOP.replace("replicas: 0", "replicsa: 0")).await;
    assert_eq!(code, "invalid");
    assert!(
        sentence.starts_with("Deployment shop (deploy/all.yaml:1) is refused by the API server: "),
        "{sentence}"
    );
    assert!(sentence.contains(".spec.replicsa: field not declared in schema"), "{sentence}");
    let (code, sentence, _) =
        told(&admin, &SHOP.replace("matchLabels: { app: shop }", "matchLabels: { app: web }")).await;
    assert_eq!(code, "invalid");
    assert!(sentence.contains("`selector` does not match template `labels`"), "{sentence}");

    let (code, sentence, hint) = told(&admin, &SHOP.replace("kind: Deployment", "kind: Deploymnet")).await;
    assert_eq!((code, hint.as_str()), ("unknown-kind", "did you mean `Deployment`?"));
    assert_eq!(
        sentence,
        "the cluster has no kind Deploymnet in apps/v1, which shop needs (deploy/all.yaml:1)"
    );
    let (code, _, hint) =
        told(&admin, "apiVersion: nowhere.dev/v1\nkind: Thing\nmetadata: { name: x }\n").await;
    assert_eq!(code, "unknown-kind");
    assert!(hint.contains("CustomResourceDefinition"), "{hint}");

    let (code, sentence, _) = told(&applier(&bed, "stranger", &space).await, SHOP).await;
    assert_eq!(code, "forbidden");
    assert!(sentence.contains("User \"stranger\" cannot patch resource \"deployments\""), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_that_cannot_be_used_is_told_with_its_cause() {
    if bed("bad kubeconfigs", &[]).await.is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let told = async |text: Option<&str>, context: Option<&str>| {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let access = Access {
            kubeconfig: Some(file.clone()),
            context: context.map(str::to_owned),
            ..Access::default()
        };
        let trouble = connect(&access).await.err().unwrap();
        assert_eq!(trouble.code, "bad-kubeconfig");
        trouble.sentence
    };
    let sentence = told(None, None).await;
    assert!(sentence.contains("No such file"), "{sentence}");
    let sentence = told(Some("not: [a kubeconfig"), None).await;
    assert!(sentence.contains("cannot be used: "), "{sentence}");
    let sentence = told(Some("apiVersion: v1\nkind: Config\n"), Some("production")).await;
    assert!(sentence.contains("production"), "{sentence}");
}
