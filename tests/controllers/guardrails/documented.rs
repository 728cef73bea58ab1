//! The guardrails that the README shows, and the examples that it tells to apply.

use serde_json::{Value, json};
use testbed::IamServer;

use crate::scene::Scene;
use crate::world::binary;

/// The `ClusterInstance` of the README.
fn documented() -> Value {
    let text = std::fs::read_to_string("README.md").unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    let mut blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    let instance = blocks.find(|block| block.contains("kind: ClusterInstance"));
    serde_saphyr::from_str(instance.unwrap()).unwrap()
}

#[tokio::test]
async fn what_the_readme_shows_lets_the_bots_of_the_examples_pass() {
    let server = IamServer::start(binary(), &[""; 0]).await.unwrap();
    let guardrails = &documented()["spec"]["guardrails"];
    let scene = Scene::at(&server, json!({"guardrails": guardrails})).await;
    let bots = std::fs::read_to_string("examples/bots.yaml").unwrap();
    for text in bots.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(text).unwrap();
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let (kind, name) = (word(&object["kind"]), word(&object["metadata"]["name"]));
        scene.apply(&kind, &name, object["spec"].clone()).await;
    }
    for name in ["deploy-bot", "report-bot", "chat-bot"] {
        scene.ready("ksa", name).await;
    }
}
