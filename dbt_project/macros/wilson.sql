{# One end (sign '-' or '+') of the 95 % Wilson score interval of booked / leads. #}
{% macro wilson(booked, leads, sign) -%}
{%- set z = 1.959964 -%}
greatest(0, least(1, (
    {{ booked }}::double precision / {{ leads }} + {{ z * z / 2 }} / {{ leads }}
    {{ sign }} {{ z }} * sqrt(
        ({{ booked }}::double precision / {{ leads }}) * (1 - {{ booked }}::double precision / {{ leads }}) / {{ leads }}
        + {{ z * z / 4 }} / ({{ leads }}::double precision * {{ leads }})
    )
) / (1 + {{ z * z }} / {{ leads }})))
{%- endmacro %}
