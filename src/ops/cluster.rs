//! The connection to Kubernetes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::deadline::DeadlineLayer;

/// How the API server's audit log knows us.
const OURSELVES: &str = concat!("kestra-iam-operator/", env!("CARGO_PKG_VERSION"));

/// How the cluster is reached.
#[derive(Clone, Debug)]
pub struct Options {
    /// A kubeconfig; otherwise it is found as `kubectl` does, or else the pod's own service account is used.
    pub kubeconfig: Option<PathBuf>,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a request may take, repetitions included; watches have no end.
    pub request_timeout: Duration,
}

/// A cluster that can be talked to.
#[derive(Clone)]
pub struct Cluster {
    /// The client. None of its requests but a watch outlives the request timeout.
    pub client: Client,
    /// The address of the API server, for messages.
    pub url: String,
    /// The namespace of the pod, or of the kubeconfig's context.
    pub namespace: String,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that was named is of no use.
    #[error("--kubeconfig {}: {source}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<kube::config::KubeconfigError>,
    },
    /// Nothing was named and nothing found.
    #[error("no cluster: name one with --kubeconfig, or run in a pod with a service account ({0})")]
    Nothing(Box<kube::config::InferConfigError>),
    /// The configuration cannot work.
    #[error("the configuration of the cluster cannot be used: {0}")]
    Unusable(Box<kube::Error>),
}

impl Cluster {
    /// Reads the configuration; sends nothing yet.
    pub async fn new(options: &Options) -> Result<Self, Error> {
        let mut config = match &options.kubeconfig {
            Some(path) => read(path).await?,
            None => Config::infer()
                .await
                .map_err(|error| Error::Nothing(Box::new(error)))?,
        };
        config.connect_timeout = Some(options.connect_timeout);
        config
            .headers
            .push((USER_AGENT, HeaderValue::from_static(OURSELVES)));
        let url = config.cluster_url.to_string();
        let namespace = config.default_namespace.clone();
        let builder =
            ClientBuilder::try_from(config).map_err(|error| Error::Unusable(Box::new(error)))?;
        let client = builder
            .with_layer(&DeadlineLayer(options.request_timeout))
            .build();
        Ok(Self {
            client,
            url,
            namespace,
        })
    }

    /// What stands for the whole cluster: the uid of its namespace `kube-system`.
    ///
    /// # Errors
    /// When the API server does not answer or does not let us.
    pub async fn id(&self) -> Result<String, kube::Error> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let system = namespaces.get_metadata("kube-system").await?;
        Ok(system.metadata.uid.unwrap_or_default())
    }

    /// Asks the API server for its version, such as `v1.36.2`.
    pub async fn version(&self) -> Result<String, kube::Error> {
        Ok(self.client.apiserver_version().await?.git_version)
    }
}

async fn read(path: &Path) -> Result<Config, Error> {
    let failed = |source| Error::Kubeconfig {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let file = Kubeconfig::read_from(path).map_err(failed)?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(failed)
}

/// What went wrong in the words of the API server, or of the innermost cause: kube's own texts name only the layer.
#[must_use]
pub fn explain(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
