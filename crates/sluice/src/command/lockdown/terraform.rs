//! The layers in Terraform, for the provider hashicorp/google. `@NAME@` stands for what was given.

pub const HEAD: &str = r#"
# The gateway as the only way to the data of @PROJECT@.
# A binding is everything for its role: whoever else has the role in this project loses it when this is applied.
terraform {
  required_providers {
    google = {
      source = "hashicorp/google"
    }
  }
}

data "google_project" "data" {
  project_id = "@PROJECT@"
}
"#;

pub const IAM: &str = r#"
resource "google_project_iam_binding" "sluice" {
  for_each = toset(["roles/bigquery.dataEditor", "roles/bigquery.dataViewer", "roles/bigquery.jobUser", "roles/bigquery.user"])
  project  = "@PROJECT@"
  role     = each.value
  members  = ["serviceAccount:@ACCOUNT@"]
}

# Goes before every role, those of owners, of datasets and of folders too.
resource "google_iam_deny_policy" "sluice" {
  parent       = urlencode("cloudresourcemanager.googleapis.com/projects/@PROJECT@")
  name         = "sluice"
  display_name = "data through the gateway alone"
  rules {
    deny_rule {
      denied_principals    = ["principalSet://goog/public:all"]
      exception_principals = ["principal://iam.googleapis.com/projects/-/serviceAccounts/@ACCOUNT@"]
      denied_permissions   = ["bigquery.googleapis.com/jobs.create", "bigquery.googleapis.com/tables.getData"]
    }
  }
}
"#;

pub const KEYS: &str = r#"
resource "google_org_policy_policy" "keys" {
  for_each = toset(["iam.managed.disableServiceAccountKeyCreation", "iam.managed.disableServiceAccountKeyUpload"])
  name     = "@PARENT@/policies/${each.value}"
  parent   = "@PARENT@"
  spec {
    rules {
      enforce = "TRUE"
    }
  }
}
"#;

pub const MEMBERS: &str = r#"
# For the project alone. Inherited values are kept; identities of other organizations that need access have to be added.
resource "google_org_policy_policy" "members" {
  name   = "projects/@PROJECT@/policies/iam.allowedPolicyMemberDomains"
  parent = "projects/@PROJECT@"
  spec {
    inherit_from_parent = true
    rules {
      values {
        allowed_values = ["is:principalSet://iam.googleapis.com/organizations/@ORGANIZATION@"]
      }
    }
  }
}
"#;

pub const PERIMETER: &str = r#"
# A project is in one perimeter at most: if it is in one already, put the services and the way in there.
# To try it without refusing anything: `use_explicit_dry_run_spec = true`, and `spec` in the place of `status`.
resource "google_access_context_manager_service_perimeter" "sluice" {
  parent         = "accessPolicies/@POLICY@"
  name           = "accessPolicies/@POLICY@/servicePerimeters/sluice"
  title          = "sluice"
  perimeter_type = "PERIMETER_TYPE_REGULAR"
  status {
    resources           = ["projects/${data.google_project.data.number}"]
    restricted_services = ["bigquery.googleapis.com", "bigquerystorage.googleapis.com"]
    ingress_policies {
      ingress_from {
        identities = ["serviceAccount:@ACCOUNT@"]
        # From anywhere. An access level with the addresses of the gateway is narrower: a stolen token is of no use elsewhere then.
        sources {
          access_level = "*"
        }
      }
      ingress_to {
        resources = ["*"]
        operations {
          service_name = "bigquery.googleapis.com"
          method_selectors {
            method = "*"
          }
        }
      }
    }
  }
}
"#;
