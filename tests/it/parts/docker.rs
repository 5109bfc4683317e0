//! Docker Engine: a container of an image from the registry answers on the Docker machine's address.

use testbed::{Part, address};

use super::kube::{image, until};
use super::{bed, run, tried};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_pulled_run_and_answers() {
    let Some(bed) = bed("a container", &[Part::Docker, Part::Registry]).await else { return };
    let name = format!("smoke-{}", std::process::id());
    let version = run(bed.docker().args(["version", "--format", "{{.Server.Version}}"]));
    assert!(version.starts_with("20."), "not the testbed's own engine, but {version}");
    run(bed
        .docker()
        .args(["run", "-d", "--name", &name, "-P", "-e", "PORT=8080", "--expose", "8080"])
        .arg(image("sample:2.0.0")));
    let port = run(bed.docker().args(["port", &name, "8080/tcp"]));
    let port: u16 = port.lines().next().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let url = format!("http://{}:{port}/", address::DOCKER_HOST);
    let answer = until("the container answers", || {
        let answer = tried(std::process::Command::new("curl").args(["-sf", "-m", "2", &url]));
        answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).into_owned())
    })
    .await;
    assert!(answer.contains("\"version\":\"2.0.0\""), "{answer}");
    run(bed.docker().args(["rm", "-f", &name]));
}
