//! What an index is, by its definition and not by its name.

/// An index as `pg_get_indexdef` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hnsw {
    /// Access method: `hnsw`, `ivfflat`, `btree` ...
    pub method: String,
    /// The first column.
    pub column: String,
    /// Operator class, which says what distance it is for.
    pub operator_class: Option<String>,
    /// Graph degree, where it is not the default.
    pub m: Option<u32>,
    /// Build width, where it is not the default.
    pub ef_construction: Option<u32>,
}

impl Hnsw {
    /// Whether searches by cosine distance can use it. Postgres does not print `DiskANN`'s operator
    /// class for cosine distance, because it is the default.
    pub fn is_searchable(&self) -> bool {
        match (self.method.as_str(), self.operator_class.as_deref()) {
            ("hnsw", Some("vector_cosine_ops" | "halfvec_cosine_ops")) => true,
            ("diskann", class) => class.is_none_or(|class| class == "vector_cosine_ops"),
            _ => false,
        }
    }
}

/// pgvector's own values, for an index that names none.
pub(super) const DEFAULT_M: u32 = 16;
pub(super) const DEFAULT_EF_CONSTRUCTION: u32 = 64;

/// Reads `CREATE INDEX name ON schema.table USING method (column opclass) WITH (m='16', ...)`.
pub fn parse(definition: &str) -> Option<Hnsw> {
    let (_, after) = definition.split_once(" USING ")?;
    let (method, rest) = after.split_once(" (")?;
    let (columns, rest) = rest.split_once(')')?;
    let option = |name: &str| {
        let (_, options) = rest.split_once("WITH (")?;
        let (options, _) = options.split_once(')')?;
        let value = options.split(',').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))?;
        value.trim_matches('\'').parse().ok()
    };
    Some(Hnsw {
        method: method.to_owned(),
        column: columns.split_whitespace().next().unwrap_or_default().to_owned(),
        operator_class: columns.split_whitespace().nth(1).map(str::to_owned),
        m: option("m"),
        ef_construction: option("ef_construction"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected_searchable(rest: &str) -> bool {
        parse(&format!("CREATE INDEX ix ON public.t {rest}")).unwrap().is_searchable()
    }

    #[test]
    fn definitions_are_read_as_postgres_prints_them() {
        let ours = parse(
            "CREATE INDEX ix ON public.t USING hnsw (embedding vector_cosine_ops) WITH (m='16', ef_construction='64')",
        );
        let expected = Hnsw {
            method: "hnsw".to_owned(),
            column: "embedding".to_owned(),
            operator_class: Some("vector_cosine_ops".to_owned()),
            m: Some(16),
            ef_construction: Some(64),
        };
        assert_eq!(ours, Some(expected));
        let bare = parse("CREATE INDEX ix ON public.t USING hnsw (embedding vector_l2_ops)").unwrap();
        assert_eq!((bare.m, bare.ef_construction), (None, None));
        assert_eq!(bare.operator_class.as_deref(), Some("vector_l2_ops"));
        assert!(expected_searchable("USING hnsw (embedding halfvec_cosine_ops)"));
        assert!(expected_searchable("USING diskann (embedding)"));
        assert!(!expected_searchable("USING diskann (embedding vector_l2_ops)"));
        assert!(!expected_searchable("USING hnsw (embedding vector_l2_ops)"));
        let other = parse(
            "CREATE INDEX ix ON public.t USING ivfflat (embedding vector_cosine_ops) WITH (lists='100')",
        );
        assert_eq!(other.unwrap().method, "ivfflat");
        assert_eq!(parse("nonsense"), None);
    }
}
