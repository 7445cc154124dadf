CREATE TEMP FUNCTION f(x ANY TYPE) AS ((SELECT AS STRUCT x, @@time_zone)); SELECT f(ssn), clinic.mask_tail(ssn) FROM `acme-prod.clinic.patients`
