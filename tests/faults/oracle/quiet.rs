//! I5: what has come to rest writes nothing but the Lease, and changes nothing at the backend.

use kube::ResourceExt;

use crate::bench::Bench;

impl Bench {
    /// What the operator writes, and whoever changes at the backend, while the Lease is renewed so often.
    pub(super) async fn writes_during(&self, renewals: usize) -> Vec<String> {
        let audit = self.plane().audit();
        let (mark, changes) = (
            audit.mark().unwrap(),
            self.tables().changes().await.unwrap(),
        );
        self.renewals(renewals).await;
        let requests = audit.since(mark).unwrap();
        let own = requests
            .iter()
            .filter(|request| request.user == self.user());
        let writes = own.filter(|request| request.is_write() && request.resource != "leases");
        let writes = writes.map(|request| format!("{} {}", request.verb, request.path));
        let changes = self.tables().changes_since(changes).await.unwrap();
        writes.chain(changes).collect()
    }

    /// Waits until the Lease was renewed so often.
    pub(super) async fn renewals(&self, count: usize) {
        let leases = self.api("Lease");
        let version = async || {
            let lease = leases.get_opt("kestra-iam-operator").await.unwrap();
            lease.and_then(|lease| lease.resource_version())
        };
        for _ in 0..count {
            let before = version().await;
            self.wait("a renewal of the Lease", async || {
                (version().await != before).then_some(())
            })
            .await;
        }
    }
}
