//! Jumps of a driven clock. Controllers sleep by the running time, so that whoever drives the wall clock of a process
//! has to have everything looked at anew.

use std::sync::Arc;

use kube::Resource;
use kube::runtime::reflector::Store;

use crate::controller::context::{Context, name_of, namespace_of};
use crate::controller::referrers::{Key, KindName};

/// Wakes every object after each jump. Never ends; a clock that nobody drives never jumps.
pub(super) async fn jumps(context: Arc<Context>) {
    let mut jumps = context.clock.jumps();
    loop {
        jumps.next().await;
        wake_all(&context);
    }
}

fn wake_all(context: &Context) {
    let stores = &context.stores;
    wake(
        context,
        KindName::ClusterInstance,
        &stores.cluster_instances,
    );
    wake(context, KindName::Instance, &stores.instances);
    wake(context, KindName::ServiceAccount, &stores.service_accounts);
    wake(context, KindName::Group, &stores.groups);
    wake(context, KindName::Role, &stores.roles);
    wake(context, KindName::RoleBinding, &stores.role_bindings);
    wake(context, KindName::ApiToken, &stores.api_tokens);
}

fn wake<K>(context: &Context, kind: KindName, store: &Store<K>)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    for object in store.state() {
        let key = Key::new(kind, namespace_of(&*object), name_of(&*object));
        context.wakers.wake(&key);
    }
}
