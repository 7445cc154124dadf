{{ config(materialized='incremental', unique_key='id') }}
select id, admitted_at from `acme-prod`.clinic.patients
{% if is_incremental() %} where id > (select coalesce(max(id),0) - 3 from {{ this }}) {% endif %}
