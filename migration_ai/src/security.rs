//! The policies that every table with users' rows has.

/// Statements that let a table's rows be seen and changed only by those they
/// are for; `owner` is the column that says whom.
pub(crate) fn owned_by(table: &str, owner: &str) -> String {
    let reads = format!(
        "{owner} = ANY ((SELECT string_to_array(current_setting('tandem.readable', true), ',')::uuid[])::uuid[])"
    );
    let writes = format!(
        "{owner} = ANY ((SELECT string_to_array(current_setting('tandem.writable', true), ',')::uuid[])::uuid[])"
    );
    let works = "(SELECT current_setting('tandem.actor', true)) = 'worker'";
    format!(
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
         ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
         CREATE POLICY po_{table}_read ON {table} FOR SELECT USING ({reads});
         CREATE POLICY po_{table}_insert ON {table} FOR INSERT WITH CHECK ({writes});
         CREATE POLICY po_{table}_update ON {table} FOR UPDATE USING ({writes}) WITH CHECK ({writes});
         CREATE POLICY po_{table}_delete ON {table} FOR DELETE USING ({writes});
         CREATE POLICY po_{table}_work ON {table} USING ({works}) WITH CHECK ({works});"
    )
}

/// Takes them back.
pub(crate) fn unowned(table: &str) -> String {
    let policies = ["read", "insert", "update", "delete", "work"]
        .map(|name| format!("DROP POLICY po_{table}_{name} ON {table};"))
        .concat();
    format!(
        "{policies}
         ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
         ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;"
    )
}
