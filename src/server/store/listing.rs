//! Pages of lists: filters, order and cut become SQL, so that a page costs a page.

use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Sqlite};

use crate::server::error::Error;
use crate::server::rules::filter::{Filter, Op, Test};

use super::Db;

/// What a list request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) offset: i64,
    pub(crate) limit: i64,
    pub(crate) filter: Filter,
    pub(crate) sort: Vec<Order>,
}

/// One `field:asc` of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) field: String,
    pub(crate) descending: bool,
}

/// What the fields of a list are in SQL.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) fields: &'static [(&'static str, Column)],
    /// The order if none is asked for, and the last word in every order; total, so that pages do not overlap.
    pub(crate) order: &'static str,
}

/// A field in SQL.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// An expression of type text.
    Text(&'static str),
    /// Several expressions: a test fits if it fits one of them.
    AnyOf(&'static [&'static str]),
    /// A value of rows elsewhere: a test fits if it fits the value of one row of `from`.
    In {
        from: &'static str,
        value: &'static str,
    },
}

impl Columns {
    /// Spellings differ between versions: `super_admin`, `superAdmin`, `USERNAME`.
    fn find(&self, field: &str) -> Option<Column> {
        let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
        let wanted = match plain(field).as_str() {
            "query" => "q".to_owned(),
            "instanceowner" => "superadmin".to_owned(),
            other => other.to_owned(),
        };
        self.fields
            .iter()
            .find(|(name, _)| plain(name) == wanted)
            .map(|(_, column)| *column)
    }

    fn get(&self, what: &str, field: &str) -> Result<Column, Error> {
        self.find(field).ok_or_else(|| {
            let known: Vec<&str> = self.fields.iter().map(|(name, _)| *name).collect();
            Error::Malformed(format!(
                "{what}: use one of the fields {}",
                known.join(", ")
            ))
        })
    }
}

/// Reads one page and counts all that match. `from` writes everything from `FROM` to the end of a `WHERE` that has at
/// least one condition.
pub(crate) async fn page<T>(
    db: &mut Db,
    select: &str,
    from: impl Fn(&mut QueryBuilder<Sqlite>),
    columns: &Columns,
    listing: &Listing,
) -> Result<(Vec<T>, i64), Error>
where
    T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
{
    let mut count = QueryBuilder::new("SELECT COUNT(*) ");
    from(&mut count);
    push_filter(&mut count, columns, &listing.filter)?;
    let total: i64 = count.build_query_scalar().fetch_one(&mut *db).await?;

    let mut rows = QueryBuilder::new(select);
    rows.push(" ");
    from(&mut rows);
    push_filter(&mut rows, columns, &listing.filter)?;
    push_order(&mut rows, columns, &listing.sort)?;
    rows.push(" LIMIT ").push_bind(listing.limit);
    rows.push(" OFFSET ").push_bind(listing.offset);
    let results = rows.build_query_as().fetch_all(db).await?;
    Ok((results, total))
}

/// Binds each of these, separated by commas.
pub(crate) fn push_all(sql: &mut QueryBuilder<Sqlite>, values: &[&str]) {
    let mut list = sql.separated(", ");
    for value in values {
        list.push_bind((*value).to_owned());
    }
}

fn push_order(
    sql: &mut QueryBuilder<Sqlite>,
    columns: &Columns,
    sort: &[Order],
) -> Result<(), Error> {
    sql.push(" ORDER BY ");
    for order in sort {
        let expression = match columns.get("sort", &order.field)? {
            Column::Text(expression) => expression,
            Column::AnyOf(expressions) => expressions[0],
            Column::In { .. } => {
                let mend = format!("sort: {} has no order", order.field);
                return Err(Error::Malformed(mend));
            }
        };
        sql.push(expression);
        sql.push(if order.descending { " DESC, " } else { ", " });
    }
    sql.push(columns.order);
    Ok(())
}

fn push_filter(
    sql: &mut QueryBuilder<Sqlite>,
    columns: &Columns,
    filter: &Filter,
) -> Result<(), Error> {
    if *filter == Filter::everything() {
        return Ok(());
    }
    sql.push(" AND ");
    push_condition(sql, columns, filter)
}

fn push_condition(
    sql: &mut QueryBuilder<Sqlite>,
    columns: &Columns,
    filter: &Filter,
) -> Result<(), Error> {
    let (filters, between, of_none) = match filter {
        Filter::Test(test) => return push_test(sql, columns, test),
        Filter::All(filters) => (filters, " AND ", "TRUE"),
        Filter::Any(filters) => (filters, " OR ", "FALSE"),
    };
    if filters.is_empty() {
        sql.push(of_none);
        return Ok(());
    }
    sql.push("(");
    for (at, filter) in filters.iter().enumerate() {
        if at > 0 {
            sql.push(between);
        }
        push_condition(sql, columns, filter)?;
    }
    sql.push(")");
    Ok(())
}

fn push_test(sql: &mut QueryBuilder<Sqlite>, columns: &Columns, test: &Test) -> Result<(), Error> {
    let column = columns.get("filters", &test.field)?;
    // A search word is a part of the name, whatever the operation says about equality.
    let op = match (column, test.op) {
        (Column::AnyOf(_), Op::Equals) => Op::Contains,
        (_, op) => op,
    };
    sql.push(if test.negated {
        "NOT COALESCE("
    } else {
        "COALESCE("
    });
    match column {
        Column::Text(expression) => push_values(sql, expression, op, &test.values),
        Column::AnyOf(expressions) => push_any(sql, expressions, op, &test.values),
        Column::In { from, value } => {
            sql.push("EXISTS (SELECT 1 FROM ").push(from).push(" AND ");
            push_values(sql, value, op, &test.values);
            sql.push(")");
        }
    }
    sql.push(", FALSE)");
    Ok(())
}

fn push_any(sql: &mut QueryBuilder<Sqlite>, expressions: &[&str], op: Op, values: &[String]) {
    sql.push("(");
    for (at, expression) in expressions.iter().enumerate() {
        if at > 0 {
            sql.push(" OR ");
        }
        sql.push("COALESCE(");
        push_values(sql, expression, op, values);
        sql.push(", FALSE)");
    }
    sql.push(")");
}

fn push_values(sql: &mut QueryBuilder<Sqlite>, expression: &str, op: Op, values: &[String]) {
    if op == Op::IsNull {
        sql.push("(").push(expression).push(" IS NULL)");
        return;
    }
    if values.is_empty() {
        sql.push("FALSE");
        return;
    }
    sql.push("(");
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            sql.push(" OR ");
        }
        push_comparison(sql, expression, op, value);
    }
    sql.push(")");
}

fn push_comparison(sql: &mut QueryBuilder<Sqlite>, expression: &str, op: Op, value: &str) {
    let sign = match op {
        Op::Contains => return push_like(sql, expression, &format!("%{}%", escaped(value))),
        Op::StartsWith => return push_like(sql, expression, &format!("{}%", escaped(value))),
        Op::EndsWith => return push_like(sql, expression, &format!("%{}", escaped(value))),
        Op::Prefix => {
            sql.push(expression).push(" = ").push_bind(value.to_owned());
            sql.push(" OR ");
            return push_like(sql, expression, &format!("{}.%", escaped(value)));
        }
        Op::Less => " < ",
        Op::LessOrEqual => " <= ",
        Op::Greater => " > ",
        Op::GreaterOrEqual => " >= ",
        Op::Equals | Op::IsNull => " = ",
    };
    sql.push(expression).push(sign).push_bind(value.to_owned());
}

/// Upper and lower case are alike in SQLite's LIKE and not in PostgreSQL's: here they are alike in both.
fn push_like(sql: &mut QueryBuilder<Sqlite>, expression: &str, pattern: &str) {
    sql.push("LOWER(").push(expression).push(") LIKE LOWER(");
    sql.push_bind(pattern.to_owned()).push(") ESCAPE '!'");
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '!' | '%' | '_') {
            escaped.push('!');
        }
        escaped.push(character);
    }
    escaped
}
