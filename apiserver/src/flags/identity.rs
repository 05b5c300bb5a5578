//! Flags of the authenticators and authorizers that ask others.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use controllers_component_base::flags::duration;

/// An OpenID Connect issuer whose tokens are believed.
#[derive(Args, Clone, Debug, Default)]
pub struct Oidc {
    /// URL of the OpenID issuer, https only.
    #[arg(long)]
    pub oidc_issuer_url: Option<String>,
    /// Audience that its tokens must be for.
    #[arg(long)]
    pub oidc_client_id: Option<String>,
    /// Authorities of the issuer's certificate; the system's when absent.
    #[arg(long)]
    pub oidc_ca_file: Option<PathBuf>,
    /// Claim with the user's name; sub when absent.
    #[arg(long)]
    pub oidc_username_claim: Option<String>,
    /// Prefix of user names; the issuer's URL and # when absent, none when it is -.
    #[arg(long)]
    pub oidc_username_prefix: Option<String>,
    /// Claim with the user's groups.
    #[arg(long)]
    pub oidc_groups_claim: Option<String>,
    /// Prefix of groups.
    #[arg(long)]
    pub oidc_groups_prefix: Option<String>,
    /// Signatures that are taken; RS256 when absent.
    #[arg(long, value_delimiter = ',')]
    pub oidc_signing_algs: Vec<String>,
    /// Claims that tokens must have: key=value.
    #[arg(long, value_delimiter = ',')]
    pub oidc_required_claim: Vec<String>,
}

impl Oidc {
    pub fn is_set(&self) -> bool {
        let texts = [
            &self.oidc_issuer_url,
            &self.oidc_client_id,
            &self.oidc_username_claim,
            &self.oidc_username_prefix,
            &self.oidc_groups_claim,
            &self.oidc_groups_prefix,
        ];
        texts.iter().any(|text| text.is_some())
            || self.oidc_ca_file.is_some()
            || !self.oidc_signing_algs.is_empty()
            || !self.oidc_required_claim.is_empty()
    }
}

/// A server that is asked what users may do.
#[derive(Args, Clone, Debug, Default)]
pub struct AuthorizationWebhook {
    /// kubeconfig of the server, with --authorization-mode=Webhook.
    #[arg(long)]
    pub authorization_webhook_config_file: Option<PathBuf>,
    /// Version of the SubjectAccessReviews that it is sent; v1beta1 when absent.
    #[arg(long)]
    pub authorization_webhook_version: Option<String>,
    /// How long it is remembered that something is allowed; 5m when absent.
    #[arg(long, value_parser = duration)]
    pub authorization_webhook_cache_authorized_ttl: Option<Duration>,
    /// How long it is remembered that something is not; 30s when absent.
    #[arg(long, value_parser = duration)]
    pub authorization_webhook_cache_unauthorized_ttl: Option<Duration>,
}

impl AuthorizationWebhook {
    pub fn is_set(&self) -> bool {
        self.authorization_webhook_config_file.is_some()
            || self.authorization_webhook_version.is_some()
            || self.authorization_webhook_cache_authorized_ttl.is_some()
            || self.authorization_webhook_cache_unauthorized_ttl.is_some()
    }
}
