//! Contour and Envoy: the Gateway API, outside of the cluster and for all of its namespaces.

use std::time::Duration;

use super::{Stage, apply, kubectl, listens, succeeds, write};
use crate::process::{finish, program};
use crate::{BedError, address, home};

const SOON: Duration = Duration::from_secs(60);

/// The Gateway that routes attach to.
const OBJECTS: &str = r"apiVersion: v1
kind: Namespace
metadata: { name: testbed }
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: testbed }
spec: { controllerName: projectcontour.io/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gateway, namespace: testbed }
spec:
  gatewayClassName: testbed
  listeners:
  - { name: http, protocol: HTTP, port: 80, allowedRoutes: { namespaces: { from: All } } }
";

/// Starts both and waits until the Gateway is programmed and Envoy answers on its port.
pub(super) async fn start(stage: &Stage) -> Result<(), BedError> {
    definitions().await?;
    apply("gateway", OBJECTS).await?;
    contour(stage)?;
    envoy(stage).await?;
    let programmed = || async {
        let mut wait = kubectl();
        wait.args(["-n", "testbed", "wait", "--for=condition=Programmed", "--timeout=1s", "gateway/gateway"]);
        succeeds(wait).await
    };
    stage.processes.until_ready("contour", SOON, programmed).await
}

/// The definitions of the Gateway API and of Contour's own kinds, as they come with Contour.
async fn definitions() -> Result<(), BedError> {
    let files = ["gateway-crds.yaml", "contour-crds.yaml"];
    let mut create = kubectl();
    create.args(["apply", "--server-side", "--force-conflicts"]);
    for file in files {
        create.arg("-f").arg(home::run("manifests").join(file));
    }
    finish(create).await?;
    let mut wait = kubectl();
    wait.args(["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]);
    finish(wait).await.map(drop)
}

fn contour(stage: &Stage) -> Result<(), BedError> {
    let configuration = write(
        "contour.yaml",
        "gateway:\n  gatewayRef: { namespace: testbed, name: gateway }\naccesslog-format: json\n",
    )?;
    let mut contour = program("contour");
    contour.arg("serve").arg("--kubeconfig").arg(home::run("kubeconfig/gateway"));
    contour.arg("--config-path").arg(configuration);
    contour.args(["--insecure", "--disable-leader-election", "--xds-port=8001"]);
    // An Envoy in a pod asks, too.
    contour.arg(format!("--xds-address={}", address::BED));
    contour.args(["--http-address=127.0.0.1", "--http-port=8010"]);
    contour.args(["--health-address=127.0.0.1", "--health-port=8011", "--debug-http-port=6061"]);
    // Where each Envoy shows its figures: an address of its own, wherever it runs.
    contour.arg("--stats-address=0.0.0.0");
    stage.processes.run("contour", contour)
}

async fn envoy(stage: &Stage) -> Result<(), BedError> {
    let bootstrap = home::run("envoy.json");
    let mut make = program("contour");
    make.args(["bootstrap", "--xds-port=8001", "--xds-resource-version=v3"]);
    make.arg(format!("--xds-address={}", address::BED));
    make.arg(format!("--admin-address={}", home::run("envoy-admin.sock").display())).arg(&bootstrap);
    finish(make).await?;
    let mut envoy = program("envoy");
    envoy.arg("-c").arg(bootstrap);
    envoy.args(["--service-cluster", "testbed", "--service-node", "gateway", "--log-level", "warning"]);
    // More threads than the machine has cores would only take turns.
    envoy.args(["--concurrency", "2"]);
    stage.processes.run("envoy", envoy)?;
    let answers = || listens(address::ENVOY_STATS);
    stage.processes.until_ready("envoy", SOON, answers).await
}
