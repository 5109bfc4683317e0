//! CoreDNS as a Deployment, so that Services have names.

use std::time::Duration;

use super::{Stage, apply, kubectl, succeeds};
use crate::process::finish;
use crate::{BedError, address};

/// Starts it and waits until it answers.
pub(super) async fn start(stage: &Stage) -> Result<(), BedError> {
    apply("dns", &manifests()).await?;
    let available = || async {
        let mut wait = kubectl();
        wait.args(["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=1s"]);
        succeeds(wait).await
    };
    let ready = stage.processes.until_ready("node1/kubelet", Duration::from_secs(60), available).await;
    let Err(error) = ready else { return Ok(()) };
    // The kubelet's log tells little about a pod: what the pod says and what befell it tells more.
    let mut said = Vec::new();
    for question in [["logs", "--tail=10", "deployment/coredns"], ["describe", "pod", "-lapp=coredns"]] {
        let mut ask = kubectl();
        ask.args(["-n", "kube-system"]).args(question);
        said.extend(finish(ask).await.unwrap_or_default().lines().map(str::to_owned));
    }
    Err(BedError { log: [error.log, said].concat(), why: error.why })
}

fn manifests() -> String {
    format!(
        r#"apiVersion: v1
kind: ServiceAccount
metadata: {{ name: coredns, namespace: kube-system }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{ name: testbed:coredns }}
rules:
- apiGroups: [""]
  resources: [services, pods, namespaces]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{ name: testbed:coredns }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: testbed:coredns }}
subjects: [{{ kind: ServiceAccount, name: coredns, namespace: kube-system }}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{ name: coredns, namespace: kube-system }}
data:
  Corefile: |
    .:5353 {{
      errors
      ready :8181
      kubernetes cluster.local in-addr.arpa
    }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: coredns, namespace: kube-system }}
spec:
  replicas: 1
  selector: {{ matchLabels: {{ app: coredns }} }}
  template:
    metadata: {{ labels: {{ app: coredns }} }}
    spec:
      serviceAccountName: coredns
      # Not on a node that a test cuts off.
      nodeSelector: {{ kubernetes.io/hostname: node1 }}
      dnsPolicy: Default
      containers:
      - name: coredns
        image: {registry}/coredns:1
        args: [-conf, /etc/coredns/Corefile]
        readinessProbe: {{ httpGet: {{ path: /ready, port: 8181 }}, periodSeconds: 1 }}
        volumeMounts: [{{ name: configuration, mountPath: /etc/coredns }}]
      volumes: [{{ name: configuration, configMap: {{ name: coredns }} }}]
---
apiVersion: v1
kind: Service
metadata: {{ name: kube-dns, namespace: kube-system }}
spec:
  selector: {{ app: coredns }}
  clusterIP: {dns}
  ports:
  - {{ name: dns, port: 53, targetPort: 5353, protocol: UDP }}
  - {{ name: dns-tcp, port: 53, targetPort: 5353, protocol: TCP }}
"#,
        registry = address::bed(address::REGISTRY),
        dns = address::DNS_SERVICE,
    )
}
