{{ config(materialized='table') }}
select id, ssn as code, email as mail, ward from `acme-prod`.clinic.patients
