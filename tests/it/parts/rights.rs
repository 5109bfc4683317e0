//! Identities have no right but what is bound to them.

use testbed::Part;

use super::kube::Namespace;
use super::{bed, run, tried};

#[tokio::test(flavor = "multi_thread")]
async fn a_deployer_may_nothing_until_a_role_is_bound_and_then_only_there() {
    let Some(bed) = bed("rights", &[Part::ControlPlane]).await else { return };
    let (own, other) = (Namespace::new(&bed, "own"), Namespace::new(&bed, "other"));
    let list =
        |space: &Namespace| tried(bed.kubectl("deployer").args(["-n", &space.name, "get", "deployments"]));
    let refused = list(&own);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("Forbidden") && said.contains("\"deployer\""),
        "{said}"
    );

    own.kubectl(&["create", "role", "deployer", "--verb=get,list", "--resource=deployments.apps"]);
    own.kubectl(&["create", "rolebinding", "deployer", "--role=deployer", "--user=deployer"]);
    super::kube::until("the role is in force", || list(&own).status.success().then_some(())).await;
    assert!(!list(&other).status.success(), "a role reaches beyond its namespace");

    let who =
        run(bed.kubectl("stranger").args(["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]));
    assert_eq!(who, "stranger");
}
