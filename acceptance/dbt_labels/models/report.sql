{{ config(materialized='incremental', unique_key='id') }}
select id, upper(numbered) as numbered, substr(mail, 1, 4) as opening, times from {{ ref('visitors') }}
