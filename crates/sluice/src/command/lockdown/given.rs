//! What was given, so narrow that it means the same in a shell, in YAML and in HCL.

use super::{Failure, Lockdown};

const NUMBER_DIGITS_MAX: usize = 20;
const ACCOUNT_HOST: &str = ".iam.gserviceaccount.com";

pub struct Given {
    pub project: String,
    pub account: String,
    pub organization: Option<String>,
    pub access_policy: Option<String>,
}

impl Given {
    pub fn new(lockdown: &Lockdown) -> Result<Given, Failure> {
        let no = |text: &str, what: &str| Err(Failure::new(format!("`{}` is no {what}", text.escape_debug())));
        if !is_project(&lockdown.project) {
            return no(&lockdown.project, "project: 6 to 30 lower case letters, digits and hyphens, a letter first");
        }
        if !is_account(&lockdown.gateway_account) {
            return no(&lockdown.gateway_account, "service account: NAME@PROJECT.iam.gserviceaccount.com");
        }
        for number in [&lockdown.organization, &lockdown.access_policy].into_iter().flatten() {
            if !is_number(number) {
                return no(number, "number");
            }
        }
        Ok(Given {
            project: lockdown.project.clone(),
            account: lockdown.gateway_account.clone(),
            organization: lockdown.organization.clone(),
            access_policy: lockdown.access_policy.clone(),
        })
    }

    /// Where policies are set.
    pub fn parent(&self) -> String {
        match &self.organization {
            Some(organization) => format!("organizations/{organization}"),
            None => format!("projects/{}", self.project),
        }
    }
}

fn is_project(text: &str) -> bool {
    is_name(text, 6)
}

fn is_account(text: &str) -> bool {
    let parts = text.strip_suffix(ACCOUNT_HOST).and_then(|rest| rest.split_once('@'));
    parts.is_some_and(|(name, project)| is_name(name, 6) && is_project(project))
}

fn is_name(text: &str, least: usize) -> bool {
    (least..=30).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_number(text: &str) -> bool {
    (1..=NUMBER_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_names_and_numbers_is_taken() {
        for (text, expect) in [
            ("acme-prod", true),
            ("acme", false),
            ("Acme-prod", false),
            ("1acme-prod", false),
            ("acme-prod-", false),
            ("acme-prod\n", false),
            ("acme-prod\"}", false),
            ("acme'$(id)'", false),
            ("${file(1)}", false),
            ("acme.prod", false),
            ("acme-prod-acme-prod-acme-prod-x", false),
        ] {
            assert_eq!(is_project(text), expect, "{text}");
        }
        for (text, expect) in [
            ("gateway@acme-ops.iam.gserviceaccount.com", true),
            ("gateway@acme-ops.iam.gserviceaccount.com.evil.example", false),
            ("gateway@acme-ops.gserviceaccount.com", false),
            ("@acme-ops.iam.gserviceaccount.com", false),
            ("a'b@acme-ops.iam.gserviceaccount.com", false),
            ("gateway@acme-ops@x.iam.gserviceaccount.com", false),
            ("ada@acme.example", false),
            ("allUsers", false),
        ] {
            assert_eq!(is_account(text), expect, "{text}");
        }
        for (text, expect) in [("1", true), ("", false), ("12a", false), ("1 2", false), ("-1", false), ("123456789012345678901", false)] {
            assert_eq!(is_number(text), expect, "{text}");
        }
    }
}
