{{ config(materialized='table') }}
select ward, count(*) as n from `acme-prod`.clinic.patients group by ward
