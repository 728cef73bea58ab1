//! The template of a Secret's data.

/// Puts variables, such as `{{ token }}`, in their places in one go: what they hold is not looked at again, and what is no
/// variable stays as it is.
#[must_use]
pub fn render<'v>(text: &str, variable: impl Fn(&str) -> Option<&'v str>) -> String {
    let (mut rendered, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("{{") {
        rendered.push_str(before);
        let place = after
            .split_once("}}")
            .and_then(|(name, tail)| Some((variable(name.trim())?, tail)));
        if let Some((value, tail)) = place {
            rendered.push_str(value);
            rest = tail;
        } else {
            rendered.push_str("{{");
            rest = after;
        }
    }
    rendered.push_str(rest);
    rendered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_once() {
        let variable = |name: &str| match name {
            "token" => Some("{{ url }}"),
            "url" => Some("https://kestra"),
            _ => None,
        };
        let render = |text| render(text, variable);
        assert_eq!(
            render("{{ token }} at {{url}}"),
            "{{ url }} at https://kestra"
        );
        assert_eq!(render("no variable"), "no variable");
        assert_eq!(
            render("{{ other }} {{ {{url}}"),
            "{{ other }} {{ https://kestra"
        );
        assert_eq!(render("open {{ url"), "open {{ url");
    }
}
