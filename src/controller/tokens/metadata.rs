//! Which labels and annotations users may put on Secrets.

use crate::api::condition::Reason;
use crate::api::token::TemplateMetadata;
use crate::controller::outcome::Blocked;
use crate::controller::settings::Settings;

/// Refuses keys of domains that the operator was not started with: many controllers take a label or annotation for an
/// order, and would copy the token elsewhere or make something else of it.
pub fn check_metadata(settings: &Settings, metadata: &TemplateMetadata) -> Result<(), Blocked> {
    let fields = [
        ("labels", &metadata.labels),
        ("annotations", &metadata.annotations),
    ];
    for (field, key) in fields
        .iter()
        .flat_map(|(field, map)| map.keys().map(move |key| (field, key)))
    {
        let Some((domain, _)) = key.split_once('/') else {
            continue;
        };
        if !settings
            .secret_metadata_domains
            .iter()
            .any(|allowed| allowed == domain)
        {
            let allowed = settings.secret_metadata_domains.join(", ");
            let message = format!(
                "secret.template.metadata.{field} has {key}, whose domain is not allowed: use one of [{allowed}], or \
                 have the operator started with --secret-metadata-domains"
            );
            return Err(Blocked::refused(Reason::NotAllowed, message));
        }
    }
    Ok(())
}
