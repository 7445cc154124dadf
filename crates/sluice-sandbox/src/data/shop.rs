//! The shop: customers, products, orders and their items. One column is labelled: the customers' e-mail.

use super::seed::Dice;
use super::{TableData, date, timestamp};
use serde_json::{Value, json};

pub const CUSTOMERS: &str = "id INT64, name STRING, email STRING, city STRING, signed_up DATE";
pub const PRODUCTS: &str = "id INT64, name STRING, category STRING, tags ARRAY<STRING>, price NUMERIC";
pub const ORDERS: &str = "id INT64, customer_id INT64, total NUMERIC, status STRING, placed_at TIMESTAMP";
pub const ORDER_ITEMS: &str = "order_id INT64, product_id INT64, quantity INT64, price NUMERIC";

const CUSTOMER_COUNT: u64 = 30;
const PRODUCT_COUNT: u64 = 20;
const ORDER_COUNT: u64 = 80;

pub fn tables(seed: u64) -> Vec<TableData> {
    let rows = |count: u64, row: &dyn Fn(u64) -> Value| (1..=count).map(row).collect();
    vec![
        TableData::new("customers", CUSTOMERS, &["id"], rows(CUSTOMER_COUNT, &|id| customer(seed, id))),
        TableData::new("products", PRODUCTS, &["id"], rows(PRODUCT_COUNT, &|id| product(seed, id))),
        TableData::new("orders", ORDERS, &["id"], rows(ORDER_COUNT, &|id| order(seed, id))),
        TableData::new("order_items", ORDER_ITEMS, &[], (1..=ORDER_COUNT).flat_map(|id| items(seed, id)).collect()),
    ]
}

fn customer(seed: u64, id: u64) -> Value {
    let mut dice = Dice::new(seed, "customers", id);
    json!({
        "id": id,
        "name": format!("Customer {id}"),
        "email": format!("{}@shop.example", dice.tag()),
        "city": dice.pick(&["Bern", "Graz", "Lyon", "Turin", "Ulm"]),
        "signed_up": date(18_000 + i64::try_from(dice.below(2_000)).unwrap_or_default()),
    })
}

fn product(seed: u64, id: u64) -> Value {
    let category = Dice::new(seed, "products", id).pick(&["books", "games", "garden", "kitchen"]);
    json!({
        "id": id,
        "name": format!("Product {id}"),
        "category": category,
        "tags": if id.is_multiple_of(4) { json!([]) } else { json!([category, "sale"]) },
        "price": price(seed, id),
    })
}

fn order(seed: u64, id: u64) -> Value {
    let mut dice = Dice::new(seed, "orders", id);
    let cents: u64 = lines(seed, id).map(|(product, quantity)| quantity * price_cents(seed, product)).sum();
    json!({
        "id": id,
        "customer_id": 1 + dice.below(CUSTOMER_COUNT),
        "status": dice.pick(&["open", "paid", "shipped", "returned"]),
        "total": money(cents),
        "placed_at": timestamp(1_740_000_000 + i64::try_from(dice.below(25_000_000)).unwrap_or_default()),
    })
}

fn items(seed: u64, order: u64) -> impl Iterator<Item = Value> {
    lines(seed, order).map(
        move |(product, quantity)| json!({ "order_id": order, "product_id": product, "quantity": quantity, "price": price(seed, product) }),
    )
}

/// Product and quantity of each line of an order.
fn lines(seed: u64, order: u64) -> impl Iterator<Item = (u64, u64)> {
    let count = 1 + Dice::new(seed, "lines", order).below(3);
    (0..count).map(move |line| {
        let mut dice = Dice::new(seed, "order_items", order * 4 + line);
        (1 + dice.below(PRODUCT_COUNT), 1 + dice.below(5))
    })
}

fn price(seed: u64, product: u64) -> String {
    money(price_cents(seed, product))
}

fn price_cents(seed: u64, product: u64) -> u64 {
    199 + Dice::new(seed, "price", product).below(20_000)
}

fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
