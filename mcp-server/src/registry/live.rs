//! The components of a running server: one registry after the other, each swapped in as a whole.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::component::Component;
use super::shelf::{Known, Shelf};
use super::{Registry, Shelves, require_values_of};
use crate::dispatch::Values;
use crate::hub::{Change, Hub};
use crate::{Dynamic, Error, Result};

/// The registry of now, and how it becomes another.
///
/// Who reads never waits; changes are made one after the other, and told to the hub where a list is another one then.
pub(crate) struct Live {
    now: ArcSwap<Shelves>,
    dynamic: Dynamic,
    changing: Mutex<()>,
    hub: Hub,
}

impl Live {
    pub(crate) fn new(registry: Registry, dynamic: Dynamic, hub: Hub) -> Self {
        Self { now: ArcSwap::new(registry.0), dynamic, changing: Mutex::default(), hub }
    }

    /// The components of this moment.
    pub(crate) fn now(&self) -> Registry {
        Registry(self.now.load_full())
    }

    /// The kinds that may come and go.
    pub(crate) const fn dynamic(&self) -> Dynamic {
        self.dynamic
    }

    /// Adds a component after the checks that it would pass when the server is built; tells whether its list changed.
    ///
    /// # Errors
    /// Its kind was not declared dynamic, a check refuses it, the server lacks a value that it takes, or there is one
    /// of this key that may not be replaced.
    pub(crate) fn put<T: Component>(&self, mut component: T, known: Known, values: &Values) -> Result<bool> {
        self.permit::<T>()?;
        require_values_of(&component, values)?;
        component.prepare()?;
        self.change(|shelf: &Shelf<T>| shelf.with(component, known).map(Some))
    }

    /// Removes a component; `false` where there is none.
    ///
    /// # Errors
    /// Its kind was not declared dynamic.
    pub(crate) fn remove<T: Component>(&self, key: &str) -> Result<bool> {
        self.permit::<T>()?;
        self.change(|shelf: &Shelf<T>| Ok(shelf.without(key).map(|shelf| (shelf, true))))
    }

    fn permit<T: Component>(&self) -> Result<()> {
        if self.dynamic.contains(T::DYNAMIC) {
            return Ok(());
        }
        Err(Error::new(format!(
            "a {} may not come or go while the server runs: build it with .dynamic(..) of this kind",
            T::WORD
        )))
    }

    /// Puts another shelf in place of one; listeners hear of it when they can see it.
    fn change<T: Component>(
        &self,
        change: impl FnOnce(&Shelf<T>) -> Result<Option<(Shelf<T>, bool)>>,
    ) -> Result<bool> {
        let one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let shelves = self.now.load_full();
        let Some((other, changed)) = change(T::shelf(&shelves))? else { return Ok(false) };
        self.now.store(std::sync::Arc::new(shelves.with_shelf(other)));
        drop(one_at_a_time);
        if changed {
            self.hub.publish(&Change::Listed(T::DYNAMIC));
        }
        Ok(changed)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("now", &self.now())
            .field("dynamic", &self.dynamic)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Known, Live};
    use crate::component::{Requirement, ResourceTemplate, Tool};
    use crate::dispatch::Values;
    use crate::hub::{Hub, Notice, Wants};
    use crate::protocol::{Failure, Json, ReadResult, ToolResult};
    use crate::registry::{Found, RegistryBuilder};
    use crate::{Dynamic, Error};

    fn live(dynamic: Dynamic) -> (Live, Hub) {
        let hub = Hub::default();
        (Live::new(RegistryBuilder::default().build().unwrap(), dynamic, hub.clone()), hub)
    }

    fn tool(name: &str) -> Tool {
        Tool::new(name, Json::from(json!({ "type": "object" })), |_, _| async { ToolResult::text("x") })
    }

    fn template(pattern: &str) -> ResourceTemplate {
        ResourceTemplate::new(pattern, |_, _, _| async { Ok::<_, Failure>(ReadResult::default()) }).unwrap()
    }

    fn add(live: &Live, tool: Tool, known: Known) -> Result<bool, Error> {
        live.put(tool, known, &Values::new())
    }

    #[test]
    fn who_looks_keeps_what_it_saw_while_components_come_and_go() {
        let (live, _) = live(Dynamic::TOOLS);
        let before = live.now();
        assert!(add(&live, tool("a"), Known::Refused).unwrap());
        let between = live.now();
        assert!(live.remove::<Tool>("a").unwrap());
        assert!(before.tool("a").is_none() && between.tool("a").is_some() && live.now().tool("a").is_none());
        assert!(!live.remove::<Tool>("a").unwrap());
    }

    #[test]
    fn a_change_is_told_and_the_same_again_is_not() {
        let (live, hub) = live(Dynamic::TOOLS);
        let listener = hub.listen(Wants::kinds(Dynamic::ALL));
        assert!(add(&live, tool("a"), Known::Refused).unwrap());
        assert_eq!(listener.take(), Some(Notice::Listed(Dynamic::TOOLS)));
        assert!(!add(&live, tool("a"), Known::Replaced).unwrap());
        assert_eq!(listener.take(), None);
        assert!(add(&live, tool("a").description("new"), Known::Replaced).unwrap());
        assert_eq!(listener.take(), Some(Notice::Listed(Dynamic::TOOLS)));
        assert!(live.remove::<Tool>("a").unwrap());
        assert_eq!(listener.take(), Some(Notice::Listed(Dynamic::TOOLS)));
        assert!(!live.remove::<Tool>("a").unwrap());
        assert_eq!(listener.take(), None);
    }

    #[test]
    fn what_would_be_refused_at_build_is_refused_later_too() {
        let (live, hub) = live(Dynamic::TOOLS);
        let listener = hub.listen(Wants::kinds(Dynamic::ALL));
        let told = |result: Result<bool, Error>| result.unwrap_err().to_string();
        assert!(told(live.put(template("x://{a}"), Known::Refused, &Values::new())).contains(".dynamic("));
        assert!(told(live.remove::<ResourceTemplate>("x://{a}")).contains(".dynamic("));
        assert!(told(add(&live, tool("a b"), Known::Refused)).contains("1 to 128"));
        let needy = tool("a").needs([Requirement::of::<u64>()]);
        assert!(told(add(&live, needy, Known::Refused)).contains("State<u64>"));
        assert_eq!(listener.take(), None);
        add(&live, tool("a"), Known::Refused).unwrap();
        assert!(told(add(&live, tool("a"), Known::Refused)).contains("registered twice"));
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Place {
        #[schemars(extend("x-mcp-header" = "Region"))]
        #[expect(dead_code, reason = "it is declared, not looked at")]
        region: String,
    }

    #[test]
    fn headers_of_a_tool_that_comes_later_are_known_while_it_is_there() {
        let (live, _) = live(Dynamic::TOOLS);
        let tool = Tool::typed("a", |_, _: Place| async { ToolResult::text("x") });
        assert!(live.now().param_headers("a").is_none());
        add(&live, tool, Known::Refused).unwrap();
        assert!(live.now().param_headers("a").is_some());
        live.remove::<Tool>("a").unwrap();
        assert!(live.now().param_headers("a").is_none());
    }

    #[test]
    fn a_template_that_comes_later_takes_its_place_among_those_that_match() {
        let (live, _) = live(Dynamic::RESOURCES);
        for pattern in ["x://{all*}", "x://users/{id}"] {
            live.put(template(pattern), Known::Refused, &Values::new()).unwrap();
        }
        let found = || match live.now().resource("x://users/7") {
            Some(Found::Template(template, _)) => template.uri_template().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(found(), "x://users/{id}");
        live.remove::<ResourceTemplate>("x://users/{id}").unwrap();
        assert_eq!(found(), "x://{all*}");
    }
}
