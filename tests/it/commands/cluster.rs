//! Environments in a cluster, as far as commands get without one.

use super::kit::{App, Config, tells};

/// An app with an environment in a cluster, by a kubeconfig that names nothing that answers.
fn app(settings: &str) -> App {
    let target = format!("target: {{ kubernetes: {{ {settings} }} }}");
    let app = App::new(&Config { more: format!("  live: {{ {target} }}\n"), ..Config::default() });
    std::fs::write(app.path("kubeconfig"), KUBECONFIG).unwrap();
    app
}

/// A kubeconfig that names nothing that answers.
const KUBECONFIG: &str = r#"apiVersion: v1
kind: Config
clusters: [{ name: c, cluster: { server: "https://127.0.0.1:9" } }]
users: []
contexts: [{ name: c, context: { cluster: c, user: "", namespace: shop } }]
current-context: c
"#;

#[test]
fn there_is_no_supervisor_for_a_cluster() {
    let app = app("manifests: deploy, kubeconfig: none");
    for command in ["status", "stop"] {
        let said = app.run(&["local", command, "live"]).exits(2);
        tells(
            said.error("not-local"),
            &["live does not run on this machine", "help: `tidegate status live` tells what runs there"],
        );
    }
    assert!(!app.path(".tidegate/live").exists());
}

#[test]
fn a_kubeconfig_that_cannot_be_used() {
    let app = app("manifests: deploy, kubeconfig: none");
    for arguments in [&["status", "live"][..], &["deploy", "live", "--version", "v1"], &["unlock", "live"]] {
        let said = app.run(arguments).exits(2);
        tells(said.error("bad-kubeconfig"), &["kubeconfig /", "/none cannot be used: ", "help: `kubectl"]);
    }
    assert_eq!(app.json(&["history", "live"])["error"]["code"], "bad-kubeconfig");
}

#[test]
fn a_kubeconfig_by_a_variable_that_is_not_set() {
    let app = app("manifests: deploy, kubeconfig: $NO_SUCH_KUBECONFIG");
    let said = app.run(&["status", "live"]).exits(2);
    let expected =
        ["`kubeconfig` of live is to be $NO_SUCH_KUBECONFIG, which is not set", "help: set NO_SUCH"];
    tells(said.error("variable-not-set"), &expected);
}

#[test]
fn manifests_are_read_before_the_cluster_is_asked() {
    let app = app("manifests: deploy, kubeconfig: kubeconfig");
    let plan = ["plan", "live", "--version", "v1"];
    tells(app.run(&plan).exits(2).error("no-manifest"), &["`manifests` names", "/deploy: No such file"]);
    std::fs::create_dir(app.path("deploy")).unwrap();
    tells(app.run(&plan).exits(2).error("no-manifest"), &["there is no .yaml, .yml or .json file in /"]);
    std::fs::write(app.path("deploy/web.yaml"), "kind: Deployment\n").unwrap();
    let wrong = app.run(&plan).exits(2);
    tells(wrong.error("bad-manifest"), &["deploy/web.yaml:1:1: `apiVersion` is missing"]);
    assert!(!app.path(".tidegate/live").exists());
}

#[test]
fn a_version_comes_from_the_folder_of_the_configuration() {
    let app = app("manifests: deploy, kubeconfig: kubeconfig");
    tells(app.run(&["plan", "live"]).exits(2).error("no-version"), &["is not in a git repository"]);
}

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: app, image: web }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80 }] }
";

fn with_manifests(settings: &str, text: &str) -> App {
    let app = app(&format!("manifests: deploy, kubeconfig: none, {settings}"));
    std::fs::create_dir(app.path("deploy")).unwrap();
    std::fs::write(app.path("deploy/web.yaml"), text).unwrap();
    app
}

#[test]
fn validate_reads_the_manifests_without_a_cluster() {
    let none = app("manifests: deploy, kubeconfig: none");
    tells(none.run(&["validate"]).exits(2).error("no-manifest"), &["/deploy: No such file"]);
    let app = with_manifests("namespace: shop", WEB);
    let said = app.run(&["validate"]).exits(0);
    let place = app.path("deploy/web.yaml").display().to_string();
    let expected = format!("{place}:1: Deployment web: container app takes web, which names no tag");
    tells(
        &said.out,
        &[&expected, "(rule `image-tag`); name the image by its digest", "is right: shop in dev, live"],
    );
    let findings = app.json(&["validate"])["findings"].as_array().unwrap().len();
    assert_eq!(findings, 9, "one for each rule but one: there is only one replica");

    let write = |text: &str| std::fs::write(app.path("deploy/web.yaml"), text).unwrap();
    write("kind: Deployment\n");
    tells(app.run(&["validate"]).exits(2).error("bad-manifest"), &["web.yaml:1:1: `apiVersion` is missing"]);
    write(&WEB.replace("kind: Deployment", "kind: StatefulSet"));
    let said = app.run(&["validate"]).exits(2);
    tells(
        said.error("strategy-not-possible"),
        &["`blue-green` runs two releases side by side, which a StatefulSet"],
    );
    write(&WEB.replace("name: web }\nspec: { sel", "name: web, namespace: other }\nspec: { sel"));
    let said = app.run(&["validate"]).exits(2);
    tells(said.error("other-namespace"), &["Service web (", "web.yaml:10) is for namespace other"]);
}

#[test]
fn what_the_policy_refuses_is_refused_before_the_cluster_is_asked() {
    let app = with_manifests("policy: { image-tag: refuse, no-limits: refuse, root-user: off }", WEB);
    let said = app.run(&["validate"]).exits(3);
    let expected = [
        "the policy refuses the manifests for 2 findings:\n  /",
        "web.yaml:1: Deployment web: container app takes web, which names no tag",
        "container app has no limit of memory (rule `no-limits`)\n",
        "help: name the image by its digest",
    ];
    tells(said.error("policy"), &expected);
    assert!(!said.err.contains("root-user"), "{}", said.err);
    assert_eq!(app.json(&["validate"])["error"]["code"], "policy");
}

fn with_image(image: &str) -> App {
    let app = with_manifests("namespace: shop", &WEB.replace("image: web", "image: registry.test/shop:1"));
    let file = app.path("tidegate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{text}image: {{ {image} }}\n")).unwrap();
    std::fs::write(app.path("none"), KUBECONFIG).unwrap();
    app
}

#[test]
fn the_image_of_the_settings_must_be_one_that_a_container_takes() {
    let app = with_image("repository: registry.test/shpo");
    for command in [&["validate"][..], &["plan", "live", "--version", "v1"]] {
        let said = app.run(command).exits(2);
        let expected = [
            "no container of the manifests takes an image of registry.test/shpo; they take registry.test/shop",
            "help: is it registry.test/shop? Name the same repository in both places",
        ];
        tells(said.error("image-not-used"), &expected);
    }
    let app = with_image("repository: registry.test/shop");
    let said = app.run(&["validate"]).exits(0);
    assert!(!said.out.contains("image-tag"), "a tag counts for nothing there: {}", said.out);
}

#[test]
fn an_image_of_the_command_line_must_be_one_that_can_be_deployed() {
    let app = with_image("repository: registry.test/shop");
    let plan = |image: &str| app.run(&["plan", "live", "--version", "v1", "--image", image]).exits(2);
    let expected = [
        "is of another repository than `image` in tidegate.yaml",
        "help: `tidegate image copy registry.test/x:1",
    ];
    tells(plan("registry.test/x:1").error("other-image"), &expected);
    tells(plan("registry.test/shop").error("bad-image-name"), &["it says neither tag nor digest"]);
    tells(
        plan("sha256:12").error("bad-image-name"),
        &["64 hexadecimal digits", "help: write REPOSITORY:TAG"],
    );
    let said = app.run(&["deploy", "dev", "--version", "v1", "--image", "registry.test/shop:1"]).exits(2);
    tells(said.error("no-cluster"), &["dev is in no cluster, and `--image` is for what runs images"]);
    assert!(!app.path(".tidegate/dev").exists(), "nothing was begun");
}
