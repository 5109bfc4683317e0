//! Who may what: <https://docs.github.com/en/rest/collaborators/collaborators>.

use super::client::{Client, Failure, segment};

/// What somebody may do in the repository, the least first. An organisation's own roles count as what they build upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing.
    None,
    /// Look.
    Read,
    /// Sort issues.
    Triage,
    /// Push.
    Write,
    /// Manage.
    Maintain,
    /// Everything.
    Admin,
}

impl Permission {
    /// From `role_name`, or else, where that is a role of the organisation's own, from `permission`.
    fn read(role: &str, permission: &str) -> Self {
        match (role, permission) {
            ("admin", _) => Self::Admin,
            ("maintain", _) => Self::Maintain,
            ("write", _) => Self::Write,
            ("triage", _) => Self::Triage,
            ("read", _) => Self::Read,
            ("none", _) => Self::None,
            (_, "admin") => Self::Admin,
            (_, "write") => Self::Write,
            (_, "read") => Self::Read,
            _ => Self::None,
        }
    }

    /// Whether it is enough to deploy.
    #[must_use]
    pub fn may_deploy(self) -> bool {
        self >= Self::Write
    }
}

/// What `login` may do. GitHub is asked, for what an event says of its author (`author_association`) tells nothing of rights.
///
/// # Errors
/// Why GitHub does not say. Somebody who is not known to it may do nothing, and is no error.
pub async fn permission(client: &Client, login: &str) -> Result<Permission, Failure> {
    let path = format!("/collaborators/{}/permission", segment(login));
    let told = match client.get(&path).await {
        Err(failure) if failure.code == "github-not-found" => return Ok(Permission::None),
        told => told?,
    };
    let word = |name: &str| told[name].as_str().unwrap_or_default();
    Ok(Permission::read(word("role_name"), word("permission")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_push_may_deploy_whatever_the_role_is_called() {
        let may = |role, permission| Permission::read(role, permission).may_deploy();
        assert!(may("admin", "admin") && may("maintain", "write") && may("write", "write"));
        assert!(may("release-captain", "write"));
        for (role, permission) in
            [("triage", "read"), ("read", "read"), ("none", "none"), ("guest", "read"), ("", "")]
        {
            assert!(!may(role, permission), "{role}");
        }
    }
}
