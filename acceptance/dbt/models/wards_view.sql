select ward, n from {{ ref('wards') }} where n > 3
