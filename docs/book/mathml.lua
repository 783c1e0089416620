-- Formulas as MathML that browsers set as TeX would. What pandoc writes is
-- corrected in two ways: older editions do not know which brackets grow and
-- what is the name of a function, and browsers know less of MathML than there
-- is.

-- The element that is open where this piece of MathML ends.
local function open_element(math)
    local open = {}
    for slash, name in math:gmatch('<(/?)(%a+)[^<>]*>') do
        if slash == '' then open[#open + 1] = name
        else open[#open] = nil
        end
    end
    return open[#open]
end

local in_a_row = {mrow = true, mtd = true, msqrt = true, mstyle = true}

-- The names of functions, which pandoc 2 sets as signs with room on both sides,
-- as names: room only where another name or number follows or comes before.
local function set_names(math)
    local room = '<mspace width="0.17em"></mspace>'
    local result, at = {}, 1
    while true do
        local from, to, name = math:find('<mo>(%a%a+)</mo>', at)
        if not from then break end
        local before, after = math:sub(at, from - 1), math:sub(to + 1)
        local script = not in_a_row[open_element(math:sub(1, from - 1))]
        -- Room comes before the name, or before the index that it carries.
        local opening = script and before:match('<msu[bp]%a*>$') or ''
        before = before:sub(1, #before - #opening)
        result[#result + 1] = before
        if (not script or opening ~= '') and before:find('</m[insr]%a*>$') then
            result[#result + 1] = room
        end
        result[#result + 1] = opening
        result[#result + 1] = '<mi>' .. name .. '</mi>'
        at = to + 1
        if script then
            -- log_2 n: the room comes after the index.
            local index = after:match('^<m[in]>[^<]*</m[in]></msu[bp]>')
            if index then
                result[#result + 1] = index
                at = at + #index
                after = math:sub(at)
            end
            script = not index
        end
        if not script and after:find('^<m[insf]') then
            result[#result + 1] = room
        end
    end
    result[#result + 1] = math:sub(at)
    return table.concat(result)
end

-- Lets only those brackets grow that TeX calls \left and \right, or that stand
-- around a matrix: pandoc 2 lets all of them.
local function keep_small(math, tex)
    local grows, n = {}, 0
    for at in tex:gmatch('()[()]') do
        n = n + 1
        grows[n] = tex:sub(1, at - 1):find('\\left%s*$') or
            tex:sub(1, at - 1):find('\\right%s*$')
    end
    math = math:gsub('(<mo) (stretchy="true"[^<>]*>[^<>]*</mo><mtable)',
                     '%1 around="" %2')
    math = math:gsub('(</mtable><mo) (stretchy="true")', '%1 around="" %2')
    local found, i = 0, 0
    for attributes in math:gmatch('<mo([^<>]*)>[()]</mo>') do
        if not attributes:find('around') then found = found + 1 end
    end
    local some = tex:find('\\left%f[%A]')
    return (math:gsub('<mo([^<>]*)>([^<>]*)</mo>', function(attributes, sign)
        local keep = some
        if attributes:find('around') then
            attributes, keep = attributes:gsub(' around=""', '')
        elseif sign == '(' or sign == ')' then
            i = i + 1
            if found == n then keep = grows[i] end
        end
        if not keep then
            attributes = attributes:gsub('stretchy="true"', 'stretchy="false"')
        end
        return '<mo' .. attributes .. '>' .. sign .. '</mo>'
    end))
end

-- A Math element as the text of a <math> element; nil where pandoc cannot.
return function(element)
    -- Brackets of a stated size, which pandoc 2 does not read.
    local tex = element.text:gsub('\\[bB]igg?l%f[%A]', '\\left')
        :gsub('\\[bB]igg?r%f[%A]', '\\right')
    local math = pandoc.write(
        pandoc.Pandoc {pandoc.Plain {pandoc.Math(element.mathtype, tex)}},
        'html5', {html_math_method = 'mathml'})
    math = math:gsub('%s+$', '')
    if not math:find('^<math') then return nil end
    math = keep_small(math, tex)
    math = math:gsub('<mstyle mathvariant="normal">(.-)</mstyle>',
                     function(inside)
        local letters = inside:gsub('<mi>(.-)</mi>', '%1')
        if letters:find('<') then return nil end
        return #letters == 1 and '<mi mathvariant="normal">' .. letters ..
            '</mi>' or '<mo>' .. letters .. '</mo>'
    end)
    -- pandoc 3 marks the application of a function with a sign of its own.
    math = math:gsub('<mo>&#8289;</mo>', ''):gsub('<mo>\xE2\x81\xA1</mo>', '')
    math = math:gsub('<mi mathvariant="normal">(%a%a+)</mi>', '<mo>%1</mo>')
    math = math:gsub('<mrow>(<mo>%a%a+</mo>)</mrow>', '%1')
    math = set_names(math)
    -- 1{,}024 is one number.
    if tex:find('%d{,}%d') then
        math = math:gsub('<mrow>(<mo[^<>]*>,</mo>)</mrow>', '%1')
            :gsub('</mn><mo[^<>]*>,</mo><mn>(%d%d%d)', ',%1')
    end
    -- Greek capitals stand upright.
    math = math:gsub('<mi>(\xCE[\x93-\xA9])</mi>',
                     '<mi mathvariant="normal">%1</mi>')
    -- A minus after a sign is the sign of a number.
    math = math:gsub('(<mo[^<>]*>)([^<>]*)(</mo><mo)>−</mo>',
                     function(open, sign, rest)
        if sign:find('^[])|!]') then return nil end
        return open .. sign .. rest .. ' form="prefix">−</mo>'
    end)
    -- And one at the beginning of an aligned line is not.
    math = math:gsub('(</mtd><mtd [^<>]*left[^<>]*><mo)>(%+</mo>)',
                     '%1 form="infix">%2')
    math = math:gsub('(</mtd><mtd [^<>]*left[^<>]*><mo)>(−</mo>)',
                     '%1 form="infix">%2')
    -- A sign by itself has no neighbours to keep away from.
    math = math:gsub('(<semantics><mo)(>[^<>]*</mo><annotation)',
                     '%1 lspace="0em" rspace="0em"%2')
    return (math:gsub('<mtable>', '<mtable displaystyle="true">'))
end
